# Reads metrics on standard input with Prometheus' own parsers, and prints each sample as a line of JSON.
import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

parse = {"openmetrics": openmetrics, "prometheus": text}[sys.argv[1]]
for family in parse(sys.stdin.read()):
    for sample in family.samples:
        row = {"name": sample.name, "labels": sample.labels, "value": sample.value, "type": family.type}
        print(json.dumps(row))
