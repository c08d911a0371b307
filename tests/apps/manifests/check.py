"""Checks a file of Kubernetes manifests against the published schemas; unknown members count as mistakes."""

import sys

import kubernetes_validate
import yaml

with open(sys.argv[1]) as file:
    for manifest in yaml.safe_load_all(file):
        kubernetes_validate.validate(manifest, "1.34", strict=True)
