#!/usr/bin/env python3
"""What grows: cost against size, ours beside mod_wsgi 6.1.1 and httpd alone. Each curve can be measured in pieces, which are
collected in one JSON file and drawn from there (curves.py). See docs/benchmarks.md, "Scale".
"""

import argparse
import importlib.util
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

import clients
import curves
import measure
import scenarios
from servers import APACHE, MODULES, WORK, apache, control, floor_module, prepare, run_folder, venv

SERVERS = ("ours", "6.1.1", "floor")
#: httpd's lines where one child of 25 threads would be the limit of what is asked
WIDE = ("ServerLimit 1\nStartServers 1\nThreadLimit 256\nThreadsPerChild 256\nMaxRequestWorkers 256\n"
        "AsyncRequestWorkerFactor 64\n")
#: after so many seconds without CPU time a server has settled
CALM = 1.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("curves", nargs="*", metavar="CURVE", help="default: all of them: %s" % ", ".join(CURVES))
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--sizes", help="only these, separated by commas")
    parser.add_argument("--seconds", type=int, default=2, help="of each load")
    parser.add_argument("--json", type=pathlib.Path, default=WORK / "scale.json", help="where results are added")
    parser.add_argument("--about", default="", metavar="TEXT", help="under which conditions, for the head of scale.md")
    parser.add_argument("--draw", type=pathlib.Path, metavar="FOLDER",
                        help="write scale.md and the plots of everything in the JSON file; measure nothing without a CURVE")
    options = parser.parse_args()
    unknown = set(options.curves) - set(CURVES)
    if unknown:
        parser.error("unknown: %s" % ", ".join(sorted(unknown)))
    return options


def wsgi(lines, server, groups=1, processes=1, threads=8):
    """The lines of a mod_wsgi with so many groups, named g0, g1, …"""
    module = WORK / "lib/mod_wsgi.so" if server == "ours" else control("original")
    head = "LoadModule wsgi_module %s\nWSGISocketPrefix wsgi\nWSGIRestrictEmbedded On\n" % module
    for number in range(groups):
        head += "WSGIDaemonProcess g%d processes=%d threads=%d python-home=%s display-name=bench-daemon\n" % (
            number, processes, threads, venv())
    return head + lines


def application(server, group=0):
    """The lines that lead all requests of a server, or of a virtual host, to the application."""
    if server == "floor":
        return "<Location />\n    SetHandler floor\n</Location>\n"
    return "WSGIScriptAlias / %s process-group=g%d application-group=%%{GLOBAL}\n" % (WORK / "apps/scenarios.py", group)


def started(server, lines, mpm="single", **sizes):
    """A server with these lines, not yet started. What is said at its start and restarts is logged."""
    if server == "floor":
        lines = "LoadModule floor_module %s\nLogLevel notice\n" % floor_module() + lines
    else:
        lines = wsgi("LogLevel notice\n" + lines, server, **sizes)
    made = apache("scale-" + server, lines, argparse.Namespace(mpm="single"), run_folder("scale-" + server),
                  script=WORK / "apps/scenarios.py")
    if mpm == "wide":
        conf = made.cwd / "httpd.conf"
        text = conf.read_text()
        conf.write_text(re.sub(r"^StartServers 1\n(.*\n){4}", WIDE, text, flags=re.M))
    return made


def settle(server, limit=120):
    """Waits until the whole tree uses no CPU any more."""
    deadline, last = time.time() + limit, server.cpu()
    while time.time() < deadline:
        time.sleep(CALM)
        now = server.cpu()
        if now - last < 0.05 * CALM:
            return
        last = now


def begin(server, host="localhost"):
    """Starts; milliseconds until the first 200, and CPU seconds until all has settled."""
    began = time.perf_counter()
    server.launch()
    scenarios.wait_for(lambda: clients.status(server.port, "/hello", host) == 200, 120)
    row = {"start": (time.perf_counter() - began) * 1e3}
    settle(server)
    row["start_cpu"] = server.cpu()
    return row


def graceful(server):
    """Milliseconds that httpd needs for a graceful restart, and CPU seconds until all has settled."""
    log, before = server.cwd / "error.log", server.cpu()
    said = len(re.findall("AH00489|resuming normal", log.read_text(errors="replace")))
    began = time.perf_counter()
    server.process.send_signal(signal.SIGUSR1)
    scenarios.wait_for(lambda: len(re.findall("AH00489|resuming normal", log.read_text(errors="replace"))) > said, 120)
    row = {"graceful": (time.perf_counter() - began) * 1e3}
    settle(server)
    row["graceful_cpu"] = server.cpu() - before
    return row


def configtest(server):
    began = time.perf_counter()
    subprocess.run([*server.command[:-1], "-t"], check=True, capture_output=True)
    return {"configtest": (time.perf_counter() - began) * 1e3}


def idle(server):
    """Memory by role, and wake-ups per second while nobody asks for anything."""
    pids = server.pids()
    before = measure.wakeups(pids)
    time.sleep(scenarios.IDLE)
    return {"wakeups": (measure.wakeups(pids) - before) / scenarios.IDLE, "processes": len(pids), **server.memory()}


def load(server, options, connections=16, path="/hello", extra=()):
    measure.wrk(server, path, connections, 1, extra)
    return measure.wrk(server, path, connections, options.seconds, extra)


def connections(server, size, options):
    made = started(server, application(server), "wide")
    try:
        return {**begin(made), **load(made, options, size), **idle(made)}
    finally:
        made.stop()


def processes(server, size, options):
    if server == "floor":
        return None
    made = started(server, application(server), processes=size)
    try:
        return {**begin(made), **load(made, options, max(16, size)), **idle(made), **graceful(made)}
    finally:
        made.stop()


def whole_life(made, host, options):
    """Everything that start, test, restart, load and rest of a server tell."""
    try:
        row = {**configtest(made), **begin(made, host)}
        row.update(load(made, options, extra=["-H", "Host: " + host]))
        return {**row, **idle(made), **graceful(made)}
    finally:
        made.stop()


def virtual_hosts(server, size, options):
    lines = "".join("<VirtualHost *>\n    ServerName v%d.test\n%s</VirtualHost>\n" % (n, application(server))
                    for n in range(size))
    return whole_life(started(server, lines), "v%d.test" % (size - 1), options)


def groups(server, size, options):
    if server == "floor":
        return None
    lines = "".join("<VirtualHost *>\n    ServerName v%d.test\n%s</VirtualHost>\n" % (n, application(server, n))
                    for n in range(size))
    return whole_life(started(server, lines, groups=size), "v%d.test" % (size - 1), options)


def kept_alive(server, size, options):
    """So many connections that have sent one request and are kept open; others ask beside them."""
    made = started(server, "KeepAliveTimeout 600\n" + application(server), "wide")
    try:
        row = begin(made)
        before = made.memory()
        with clients.Crowd(made.port, size) as crowd:
            row.update(load(made, options), opened=crowd.opened)
            row.update(idle(made), lost=crowd.lost())
        row["per_connection"] = (row["pss"] - before["pss"]) / size
        return row
    finally:
        made.stop()


def long_ones(server, size, options):
    """So many requests of 10 s, with short ones beside them over two connections."""
    if server == "floor":
        return None
    made = started(server, application(server), "wide", threads=size + 20)
    try:
        row = begin(made)
        with clients.Crowd(made.port, size, "/long", wait=False) as crowd:
            time.sleep(1)
            row.update(load(made, options, 2, extra=scenarios.script("short.lua")))
            row["lost"] = crowd.failed()
        return row
    finally:
        made.stop()


def protocols(server, kind, options):
    """HTTP/1.1, HTTP/2, and both over TLS, asked by h2load: 16 connections, with HTTP/2 of 4 streams each."""
    lines = "LoadModule http2_module %s/mod_http2.so\nProtocols h2c http/1.1\n" % MODULES
    secure = kind.endswith("tls")
    if secure:
        lines += clients.tls_lines()
    made = started(server, lines + application(server))
    try:
        row = {}
        made.launch()
        scenarios.wait_for(lambda: scenarios.connect(made.port).close() or True)
        clients.h2load(made, kind, 1)
        row.update(clients.h2load(made, kind, options.seconds))
        row.update(made.memory())
        return row
    finally:
        made.stop()


#: name: (how one point is measured, sizes)
CURVES = {
    "connections": (connections, (1, 4, 16, 64, 256, 1000)),
    "processes": (processes, (1, 2, 4, 8, 16)),
    "virtual-hosts": (virtual_hosts, (1, 10, 100, 500, 2000)),
    "groups": (groups, (1, 3, 10, 30, 100, 300)),
    "kept-alive": (kept_alive, (100, 1000, 10000)),
    "long": (long_ones, (1, 20, 200)),
    "protocols": (protocols, ("h1", "h1-tls", "h2", "h2-tls")),
}


def draw(options, found):
    if importlib.util.find_spec("matplotlib") is None:  # it is in the benchmark's own environment
        python = str(venv() / "bin/python3")
        os.execv(python, [python, __file__, "--json", str(options.json), "--draw", str(options.draw), "--about",
                          options.about])
    httpd = re.search(r"Apache/(\S+)", subprocess.run([APACHE, "-v"], capture_output=True, text=True).stdout)
    conditions = "httpd %s, %d cores shared with the load" % (httpd.group(1) if httpd else "unknown", os.cpu_count())
    curves.write(options.draw, found, conditions + options.about)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Ten thousand clients need as many descriptors, and so do the servers, which inherit the limit.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    found = json.loads(options.json.read_text()) if options.json.exists() else {}
    wanted = options.curves or ([] if options.draw else list(CURVES))
    if wanted:
        prepare()
    for name in wanted:
        measured, sizes = CURVES[name]
        sizes = [type(sizes[0])(size) for size in options.sizes.split(",")] if options.sizes else sizes
        for size in sizes:
            for server in options.servers.split(","):
                row = measured(server, size, options)
                if row:
                    found.setdefault(name, {}).setdefault(server, {})[str(size)] = row
                    options.json.write_text(json.dumps(found, indent=1))
                    print(curves.line(name, server, size, row), flush=True)
    if options.draw:
        draw(options, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
