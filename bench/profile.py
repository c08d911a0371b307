#!/usr/bin/env python3
"""Where the time of a request goes: CPU by process and by component (perf), system calls per request (strace -c), context
switches per request (/proc). Prints markdown; see docs/dev/performance.md. Runs as root, for one scenario and one server.
"""

import argparse
import collections
import contextlib
import http.client
import io
import pathlib
import re
import signal
import subprocess
import sys
import time

import measure
import report
from scenarios import NO_FLOOR, SCENARIOS
from servers import NAMES, WORK, prepare, servers

#: the first pattern that fits the name of a mapped file names the component
COMPONENTS = (
    ("kernel", r"^\[(?!unknown)"),
    ("mod_wsgi's host", r"python-host"),
    ("supervisor", r"wsgi-supervisor"),
    ("mod_wsgi.so", r"mod_wsgi"),
    ("APR", r"libapr"),
    ("Python", r"python|\.cpython-"),
    ("httpd", r"apache2|httpd|^mod_\w+\.so$|libpcre"),
    ("libc", r"^libc\.|^ld-linux|^libm\.|^libpthread"),
)
#: processes in the order of the tables
ROLES = ("child", "daemon", "backend", "supervisor", "parent", "gone")


def component(file):
    return next((name for name, pattern in COMPONENTS if re.search(pattern, file)), file)


class Usage:
    """What each process of a server has used so far: user and system seconds, context switches."""

    def __init__(self, server):
        self.by_role = collections.defaultdict(lambda: [0, 0, 0, 0])
        for pid in server.pids():
            row = self.by_role[measure.role(pid, server.process.pid)]
            try:
                fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
                row[0] += int(fields[11]) / measure.TICK
                row[1] += int(fields[12]) / measure.TICK
                for status in pathlib.Path("/proc/%d/task" % pid).glob("*/status"):
                    switches = re.findall(r"voluntary_ctxt_switches:\s+(\d+)", status.read_text())
                    row[2] += int(switches[0])
                    row[3] += int(switches[1])
            except OSError:
                continue  # it has ended

    def since(self, before, requests):
        """Used per request, by role; times in microseconds."""
        found = {}
        for role, row in self.by_role.items():
            used = [(now - then) / requests for now, then in zip(row, before.by_role[role])]
            found[role] = [used[0] * 1e6, used[1] * 1e6, used[2], used[3]]
        return found


def visit(server, name, count):
    """`count` requests of the scenario, one after the other over one kept-alive connection."""
    path, headers, body = SCENARIOS[name].path, {}, None
    if name == "headers":
        headers = {"X-Header-%d" % n: "value number %d" % n for n in range(1, 199)}
    if name == "upload":
        body, headers = b"u" * (1 << 20), {"Content-Type": "application/octet-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for _ in range(count):
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError("%s answers %s with %d" % (server.name, path, answer.status))
    connection.close()


def under_load(server, name, seconds):
    """(requests per second, use per request by role) with the scenario's own number of connections."""
    before = Usage(server)
    row = measure.wrk(server, SCENARIOS[name].path, SCENARIOS[name].connections, seconds, SCENARIOS[name].extra)
    return row["rate"], Usage(server).since(before, row["requests"])


def one_by_one(server, name, count):
    """Use per request by role when only one request is under way."""
    visit(server, name, 50)
    before = Usage(server)
    visit(server, name, count)
    return Usage(server).since(before, count)


def sampled(server, name, seconds, top):
    """({(role, component): share of all samples}, [(share, role, file, symbol)]) from perf under load."""
    data, pids = WORK / "perf.data", server.pids()
    recording = subprocess.Popen(["perf", "record", "-q", "-F", "1999", "-o", str(data), "-p", ",".join(map(str, pids))],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    measure.wrk(server, SCENARIOS[name].path, SCENARIOS[name].connections, seconds, SCENARIOS[name].extra)
    roles = roles_of_threads(server)
    recording.send_signal(signal.SIGINT)
    recording.wait()
    shares, symbols, total = collections.Counter(), collections.Counter(), 0
    for samples, thread, file, symbol in perf_report(data, "pid,dso,symbol"):
        role, count = roles.get(int(thread.split(":")[0]), "gone"), int(samples)
        shares[role, component(file)] += count
        symbols[role, file, symbol] += count
        total += count
    data.unlink()
    return ({key: count / total for key, count in shares.items()},
            [(count / total, *key) for key, count in symbols.most_common(top)])


def roles_of_threads(server):
    """{thread id: role of its process}; perf tells thread ids."""
    return {int(task.name): measure.role(pid, server.process.pid) for pid in server.pids()
            for task in pathlib.Path("/proc/%d/task" % pid).glob("*")}


def perf_report(data, keys):
    """Rows of (number of samples, key, …)."""
    command = ["perf", "report", "-i", str(data), "--stdio", "-q", "-t", "|", "-F", "sample," + keys, "--percent-limit", "0"]
    text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    rows = ([field.strip() for field in line.split("|")] for line in text.splitlines() if "|" in line)
    return [row for row in rows if row[0].isdigit()]


def traced(server, name, count):
    """{(role, system call): calls per request}, counted by strace over `count` requests in a row."""
    visit(server, name, 20)
    tracers = []
    for pid in server.pids():
        role, log = measure.role(pid, server.process.pid), WORK / ("strace.%d" % pid)
        if role in ("child", "daemon", "backend"):
            command = ["strace", "-c", "-f", "-qq", "-o", str(log), "-p", str(pid)]
            tracers.append((role, pid, log, subprocess.Popen(command, stderr=subprocess.DEVNULL)))
    deadline = time.time() + 10
    while not all(is_traced(pid) for _, pid, _, _ in tracers) and time.time() < deadline:
        time.sleep(0.05)
    visit(server, name, count)
    calls = collections.Counter()
    for role, _, log, tracer in tracers:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        for number, call in re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", log.read_text(), re.M):
            if call != "total":
                calls[role, call] += int(number) / count
        log.unlink()
    return calls


def is_traced(pid):
    tasks = pathlib.Path("/proc/%d/task" % pid).glob("*/status")
    return all(not re.search(r"TracerPid:\s+0$", status.read_text(), re.M) for status in tasks)


def print_use(label, loaded, alone, rate, connections):
    print("CPU and context switches per request of %s: at %.0f requests per second over %d connections, and one by one.\n" % (
        label, rate, connections))
    print("| process | user µs | system µs | switches: waiting | preempted | one by one: waiting | preempted |")
    print("|---|---|---|---|---|---|---|")
    for role in (role for role in ROLES if sum(loaded.get(role, [0])) >= 0.05):
        print("| %s | %.1f | %.1f | %.2f | %.2f | %.2f | %.2f |" % (role, *loaded[role], *alone.get(role, [0] * 4)[2:]))
    print("| all | %.1f | %.1f | %.2f | %.2f | %.2f | %.2f |\n" % (
        *(sum(row[n] for row in loaded.values()) for n in range(4)), *(sum(row[n] for row in alone.values()) for n in (2, 3))))


def print_components(tables):
    """`tables`: by server, CPU in microseconds per request of each (role, component)."""
    columns = columns_of(tables)
    print("CPU by component, µs per request (share of perf's samples × CPU per request):\n")
    print("| component | %s | %s |" % (" | ".join("%s: %s" % column for column in columns),
                                     " | ".join("%s: all" % server for server in tables)))
    print("|---" * (len(columns) + len(tables) + 1) + "|")
    totals = collections.Counter()
    for times in tables.values():
        for (_, name), time_used in times.items():
            totals[name] += time_used
    for name, total in totals.most_common():
        if total >= 0.1:
            cells = [tables[server].get((role, name), 0) for server, role in columns]
            cells += [sum(used for (_, found), used in times.items() if found == name) for times in tables.values()]
            print("| %s | %s |" % (name, " | ".join("%.1f" % cell if cell >= 0.05 else "" for cell in cells)))
    sums = [sum(used for (found, _), used in tables[server].items() if found == role) for server, role in columns]
    sums += [sum(times.values()) for times in tables.values()]
    print("| all | %s |\n" % " | ".join("%.1f" % cell for cell in sums))


def columns_of(tables):
    """(server, role) of every process that appears."""
    return [(server, role) for server, table in tables.items() for role in ROLES if any(role == found for found, _ in table)]


def print_calls(tables):
    """`tables`: system calls per request by server."""
    columns = columns_of(tables)
    print("System calls per request, one by one over a kept-alive connection:\n")
    print("| system call | %s |" % " | ".join("%s: %s" % column for column in columns))
    print("|---" * (len(columns) + 1) + "|")
    totals = collections.Counter()
    for calls in tables.values():
        for (_, call), number in calls.items():
            totals[call] += number
    for call, total in totals.most_common():
        if total >= 0.05:
            numbers = (tables[server].get((role, call), 0) for server, role in columns)
            print("| %s | %s |" % (call, " | ".join("%.2f" % number if number >= 0.005 else "" for number in numbers)))
    sums = (sum(number for (found, _), number in tables[server].items() if found == role) for server, role in columns)
    print("| all | %s |\n" % " | ".join("%.2f" % number for number in sums))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="?", default="hello", choices=[n for n in SCENARIOS if n not in
                        ("mixed", "flood", "cold", "cold-django", "idle", "reload", "touch")])
    parser.add_argument("server", nargs="?", default="ours-daemon", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=1000, help="of the parts that send one after the other")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--top", type=int, default=15, help="symbols to name")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE",
                        help="put the tables between the marker lines of this file that name scenario and server")
    options = parser.parse_args()
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        profile(options)
    print(text.getvalue())
    if options.markdown:
        report.replace_section(options.markdown, "make profile %s %s" % (options.scenario, options.server), text.getvalue())


def profile(options):
    """Measures, and prints the tables."""
    prepare()
    name, scenario = options.scenario, SCENARIOS[options.scenario]
    wanted = [options.server] + (["floor"] if name not in NO_FLOOR and options.server != "floor" else [])
    calls, components, named = {}, {}, []
    print("%s, %s. httpd with one child of 25 threads, %d threads in the daemon.\n" % (
        time.strftime("%Y-%m-%d %H:%M"), NAMES[options.server], options.threads))
    for label, server in servers(wanted, scenario.app, options).items():
        try:
            server.start(scenario.path)
            measure.wrk(server, scenario.path, scenario.connections, 1, scenario.extra)
            rate, loaded = under_load(server, name, options.seconds)
            print_use(label, loaded, one_by_one(server, name, options.requests), rate, scenario.connections)
            shares, symbols = sampled(server, name, options.seconds, options.top)
            cpu = sum(user + system for user, system, _, _ in loaded.values())
            components[label] = {key: share * cpu for key, share in shares.items()}
            named = named or symbols
            calls[label] = traced(server, name, options.requests)
        finally:
            server.stop()
    print_components(components)
    print_calls(calls)
    print("Most sampled in %s:\n\n| share | process | file | symbol |\n|---|---|---|---|" % options.server)
    for share, role, file, symbol in named:
        print("| %.1f %% | %s | %s | %s |" % (share * 100, role, file, symbol.replace("|", "\\|")))


if __name__ == "__main__":
    sys.exit(main())
