#!/usr/bin/env python3
"""What all counters cost: two of our servers, of which one counts nothing, take turns at hello, a second each. Prints the
difference of the CPU per request of both process trees, the median of all pairs, with its standard error."""

import argparse
import pathlib
import random
import statistics
import subprocess
import sys

import measure
from servers import ROOT, WORK, prepare, servers

#: µs of CPU per request that all counters may cost
LIMIT = 1.0


def uncounted():
    """The library that has one httpd count nothing, built."""
    library = WORK / "uncounted.so"
    source = ROOT / "bench/uncounted/uncounted.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    library.chmod(0o755)
    return library


def cpu_ns(pids):
    """CPU that all threads of these processes have used, in nanoseconds: clock ticks are too coarse."""
    total = 0
    for pid in pids:
        for path in pathlib.Path("/proc/%d/task" % pid).glob("*/schedstat"):
            total += int(path.read_text().split()[0])
    return total


def burst(server, seconds):
    """CPU per request, µs, of one run of wrk."""
    pids = server.pids()
    before = cpu_ns(pids)
    command = measure.wrk_command(server, "/hello", 16, seconds)
    row = measure.parse_wrk(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if row["errors"]:
        sys.exit("counting: %s: %s" % (server.name, row["problems"]))
    return (cpu_ns(pids) - before) / row["requests"] / 1e3


def counts(server):
    """Whether a server makes the memory for counters."""
    return any("mod_wsgi metrics" in pathlib.Path("/proc/%d/maps" % pid).read_text() for pid in server.pids())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--seconds", type=int, default=1, help="of each turn")
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    prepare()
    mine = servers(["ours-daemon"], "scenarios.py", options)["ours-daemon"]
    other = servers(["ours-daemon"], "scenarios.py", options)["ours-daemon"]
    other.commands[0][:0] = ["env", "LD_PRELOAD=%s" % uncounted()]
    try:
        for server in (mine, other):
            server.start("/hello")
            burst(server, 2)
        if not counts(mine) or counts(other):
            sys.exit("counting: the library does not do what it is for")
        pairs = []
        for number in range(options.pairs):
            # Each goes first every other time.
            order = (mine, other) if number % 2 else (other, mine)
            found = {server: burst(server, options.seconds) for server in order}
            pairs.append((found[mine], found[other]))
    finally:
        for server in (mine, other):
            server.stop()
    differences = [with_it - without for with_it, without in pairs]
    middle, error = statistics.median(differences), spread(differences)
    print("all counters, hello in daemon mode: %.2f ± %.2f µs of CPU per request (%.1f with, %.1f without; %d pairs of %d s): "
          "%s" % (middle, error, statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs),
                  len(pairs), options.seconds, verdict(middle, error)))


def spread(differences):
    """The standard error of their median, of a thousand samples drawn from them: a burst beside which the machine did
    something else says nothing of the others."""
    source = random.Random(1)
    medians = [statistics.median(source.choices(differences, k=len(differences))) for _ in range(1000)]
    return statistics.stdev(medians)


def verdict(middle, error):
    """Whether the target is met, as far as the noise of the machine lets it be seen."""
    if middle + 2 * error < LIMIT:
        return "at most %.0f µs: met" % LIMIT
    if middle - 2 * error > LIMIT:
        return "at most %.0f µs: **missed**" % LIMIT
    return "at most %.0f µs: too noisy to say" % LIMIT


if __name__ == "__main__":
    main()
