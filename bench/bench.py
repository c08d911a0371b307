#!/usr/bin/env python3
"""Side-by-side benchmark: starts each server in turn, drives it with wrk in interleaved rounds, and prints medians of
rate, server CPU per request over the whole process tree, latencies and memory, ratios, and the targets of report.py.

This file is the program; servers.py, scenarios.py, measure.py and report.py beside it are its parts. See docs/benchmarks.md.
"""

import argparse
import fcntl
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import time

import measure
import report
import scenarios
from measure import wrk  # noqa: F401 (for scripts that import this file)
from scenarios import SCENARIOS
from servers import APACHE, MPM, NAMES, ROOT, WORK, Server, apache, prepare, servers  # noqa: F401 (likewise)

#: a noisy round is measured so many times more with --wait-quiet
REPEATS = 2


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="servers:\n%s\n\nscenarios:\n%s\n\nMOD_WSGI_BENCH_WORK names the folder to work in (%s)." % (
            listing(NAMES), listing(scenarios.ABOUT), WORK))
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="default: all")
    parser.add_argument("--servers", default=",".join(NAMES), help="names separated by commas (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    parser.add_argument("--threads", type=int, default=8, help="of each daemon or backend")
    parser.add_argument("--mpm", choices=MPM, default="single",
                        help="single: one httpd child of 25 threads; debian: Debian's mpm_event.conf; default: no line")
    parser.add_argument("--wait-quiet", action="store_true",
                        help="wait before each round until nothing else runs, and repeat rounds that were disturbed")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every row of every round")
    parser.add_argument("--add", action="store_true",
                        help="keep what --json FILE has of other scenarios, measured with the same options; "
                             "without SCENARIO measure those that it lacks")
    parser.add_argument("--most", type=int, metavar="N", help="measure no more than N scenarios in this call")
    parser.add_argument("--check", action="store_true", help="print the targets: met, or missed by how much")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE",
                        help="also replace the results between the marker lines of this file")
    options = parser.parse_args()
    options.wanted = options.servers.split(",")
    for given, known in ((options.scenarios, SCENARIOS), (options.wanted, NAMES)):
        unknown = set(given) - set(known)
        if unknown:
            parser.error("unknown: %s (known: %s)" % (", ".join(sorted(unknown)), ", ".join(known)))
    if options.add and not options.json:
        parser.error("--add needs --json")
    if not shutil.which("wrk"):
        parser.error("wrk is not installed: scripts/setup.sh bench installs it as root (apt-get install wrk)")
    return options


def listing(names):
    return "\n".join("  %-14s %s" % item for item in names.items())


def measured(name, options):
    """The rows of one scenario by server, rounds interleaved. A server that fails is named and left out of the rest."""
    wanted = [server for server in options.wanted if scenarios.applies(name, server)]
    # With ServerLimit 1 a graceful restart cannot start the new child before the old one has gone.
    mpm = "debian" if name == "reload" and options.mpm == "single" else options.mpm
    made = servers(wanted, SCENARIOS[name].app, argparse.Namespace(threads=options.threads, mpm=mpm))
    table = {server: [] for server in made}
    for number in range(options.rounds):
        for server in list(made):
            try:
                table[server].append(one_round(name, made[server], options))
            except (OSError, RuntimeError, subprocess.CalledProcessError, AttributeError) as error:
                print("bench: %s, %s, round %d: %s" % (name, server, number + 1, error), file=sys.stderr)
                options.failed.append("%s with %s: %s" % (name, server, error))
                del made[server]
    return table


def one_round(name, server, options):
    for left in range(REPEATS if options.wait_quiet else 0, -1, -1):
        if options.wait_quiet:
            measure.wait_quiet()
        row = scenarios.run(name, server, options.seconds)
        if row["foreign"] + row["steal"] < measure.NOISY or not left:
            return row
        print("bench: %s, %s: %.2f cores of other work; once more" % (
            name, server.name, row["foreign"] + row["steal"]), file=sys.stderr)


def conditions(options):
    """What was measured on what, in one paragraph."""
    httpd = re.search(r"Apache/(\S+)", subprocess.run([APACHE, "-v"], capture_output=True, text=True).stdout)
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return ("%s, commit %s: %d cores shared with wrk, Linux %s, httpd %s, event MPM (`--mpm %s`), Python %s, %d rounds of "
            "%d s, one daemon process with %d threads. *noise* is the most work of others in any round, in cores%s." % (
                time.strftime("%Y-%m-%d %H:%M"), commit.stdout.strip() or "unknown", os.cpu_count(), platform.release(),
                httpd.group(1) if httpd else "unknown", options.mpm, system_python(), options.rounds, options.seconds,
                options.threads, "; rounds above %.2f were repeated" % measure.NOISY if options.wait_quiet else ""))


def system_python():
    found = subprocess.run(["/usr/bin/python3", "-V"], capture_output=True, text=True)
    return found.stdout.split()[-1] if found.returncode == 0 else "unknown"


def earlier(options):
    """The rows of other scenarios that an earlier call has left in the JSON file."""
    if not options.add or not options.json.exists():
        return {}
    raw = json.loads(options.json.read_text())
    for name in ("rounds", "seconds", "threads", "mpm"):
        if raw["options"][name] != str(getattr(options, name)):
            sys.exit("bench: %s was written with --%s %s" % (options.json, name, raw["options"][name]))
    return raw["results"]


def main():
    options = arguments()
    options.failed = []
    # kill(1) is to stop the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    WORK.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = open(WORK / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("bench: another benchmark works in %s; MOD_WSGI_BENCH_WORK names another folder" % WORK)
    prepare()
    results, parts = earlier(options), [conditions(options)]
    print(parts[0] + "\n", flush=True)
    for name in (options.scenarios or [name for name in SCENARIOS if name not in results])[:options.most]:
        results[name] = measured(name, options)
        print(report.scenario(name, results[name]), flush=True)
        if options.json:
            raw = {"conditions": parts[0], "options": {key: str(value) for key, value in vars(options).items()},
                   "results": results}
            options.json.write_text(json.dumps(raw, indent=1))
    results = {name: results[name] for name in SCENARIOS if name in results}
    parts += [report.scenario(name, table) for name, table in results.items()]
    if options.check:
        parts.insert(1, report.targets(results, options.threads))
        print(parts[1], flush=True)
    if options.failed:
        parts.append("Failed:\n\n" + "\n".join("* " + line for line in options.failed) + "\n")
        print(parts[-1], flush=True)
    if options.markdown:
        report.replace_section(options.markdown, "make bench", "\n".join(parts))
    return 1 if options.failed else 0


if __name__ == "__main__":
    sys.exit(main())
