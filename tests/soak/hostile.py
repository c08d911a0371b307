#!/usr/bin/env python3
"""A hostile group that does all it can at once, beside an honest group under load.

The honest group loses no request, and its 99th percentile stays within twice that of a quiet time before; httpd's
processes and the supervisor keep their memory and descriptors. See docs/soak.md."""

import argparse
import http.client
import itertools
import multiprocessing
import os
import pathlib
import pwd
import shutil
import sys
import threading
import time

from soak import HERE, TREE, Server, Sizes, command, descendants, wait

CHILDREN = 4
CLIENTS = 6
ATTACKERS = 4


class Hostile(Server):
    """The server of the soak test and one group more, of a user of its own if there is one."""

    def configuration(self):
        shutil.copy(HERE / "evil.py", self.root / "app/evil.wsgi")
        user = ""
        if os.geteuid() == 0:
            names = [name for name in ("wsgi-test-a", "nobody") if has_user(name)]
            user = f"user={names[0]} home=/ " if names else ""
        limits = "memory-limit=512M tasks-max=300 log-rate=100 cpu-priority=19 graceful-timeout=2 shutdown-timeout=1"
        group = f"WSGIDaemonProcess evil {user}processes=2 threads=8 socket-timeout=5 connect-timeout=2 {limits}\n"
        alias = f"WSGIScriptAlias /evil {self.root}/app/evil.wsgi process-group=evil application-group=%{{GLOBAL}}\n"
        text = super().configuration()
        # The same children for the whole run, so that what grows in them is seen.
        text = text.replace("ServerLimit 60", f"ServerLimit {CHILDREN}").replace("ThreadsPerChild 20", "ThreadsPerChild 30")
        text = text.replace("StartServers 2", f"StartServers {CHILDREN}\nMinSpareThreads 120\nMaxSpareThreads 120")
        return text.replace("WSGIScriptAlias / ", group + alias + "WSGIScriptAlias / ")


def has_user(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False


class Honest:
    """Clients of the honest group: how long each request took, and what went wrong."""

    def __init__(self, port):
        self.port = port
        self.over = threading.Event()
        self.times, self.failures = [], []
        self.threads = [threading.Thread(target=self.ask) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        wire = None
        while not self.over.is_set():
            start = time.monotonic()
            fresh = wire is None
            wire = wire or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                wire.request("GET", "/work?honest")
                response = wire.getresponse()
                text = response.read()
                if (response.status, text) != (200, b"ok"):
                    self.failures.append(f"{response.status} {text[:60]!r}")
                self.times.append(time.monotonic() - start)
                closing = response.will_close
            except (OSError, http.client.HTTPException) as error:
                closing = True
                if fresh:  # httpd may close a kept connection between two requests
                    self.failures.append(f"{type(error).__name__}: {error}")
            if closing:
                wire.close()
                wire = None

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.times.sort()
        return self.times[int(len(self.times) * 0.99)] if self.times else 99.0


def attack(port, over, results):
    """A process of its own, or the honest clients would share its interpreter."""
    os.nice(19)
    numbers, counts = itertools.count(), {}
    threads = [threading.Thread(target=ask_evil, args=(port, over, numbers, counts)) for _ in range(ATTACKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(counts)


def ask_evil(port, over, numbers, counts):
    while not over.is_set():
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=8)
        try:
            wire.request("GET", f"/evil?{next(numbers)}")
            response = wire.getresponse()
            response.read()
            status = response.status
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        wire.close()
        counts[status] = counts.get(status, 0) + 1
        time.sleep(0.05)


def family(server):
    """httpd's own processes by what they are."""
    pids = {"parent": [server.pid], "supervisor": [server.supervisor()]}
    own = command(server.pid)
    pids["child"] = [pid for pid in descendants(server.pid) if command(pid) == own and pid != server.pid]
    return pids


def processor(pid):
    """Seconds of processor time."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def sizes(server):
    found = {}
    for who, pids in family(server).items():
        for pid in pids:
            try:
                found[who, pid] = Sizes(pid)
            except (OSError, TypeError):
                pass  # it has just ended
    return found


def run(arguments):
    server = Hostile("event", arguments.library)
    over = multiprocessing.Event()
    try:
        problems = beside(server, arguments, over)
    finally:
        over.set()
        left = server.stop()
    problems += [f"left behind: {what}" for what in left if "sleep 20" not in what]
    print("\n".join([f"hostile: {len(problems)} problems", *problems[:40]]))
    if problems:
        print(f"kept: {server.root}")
    else:
        shutil.rmtree(pathlib.Path(server.root))
    return not problems


def beside(server, arguments, over):
    """Returns what is wrong."""
    problems = []
    quiet = Honest(server.port)
    time.sleep(arguments.quiet)
    calm = quiet.stop()
    results = multiprocessing.Queue()
    attackers = multiprocessing.Process(target=attack, args=(server.port, over, results))
    attackers.start()
    honest = Honest(server.port)
    warm = max(arguments.seconds // 4, 10)
    time.sleep(warm)
    before = sizes(server)
    time.sleep(arguments.seconds - warm)
    after = sizes(server)
    busy = honest.stop()
    over.set()
    counts = results.get(timeout=60)
    attackers.join()
    seconds = processor(server.supervisor())
    problems += [f"honest: {failure}" for failure in quiet.failures + honest.failures]
    if busy > arguments.slower * calm:
        problems.append(f"p99 {busy * 1000:.1f} ms, {calm * 1000:.1f} ms when quiet")
    for key, first in before.items():
        last = after.get(key)
        if last is None:
            problems.append(f"{key[0]} {key[1]} has ended")
            continue
        print(f"{key[0]} {key[1]}: rss {first.rss} to {last.rss} KiB, {first.descriptors} to {last.descriptors} descriptors, "
              f"{first.threads} to {last.threads} threads")
        # A child has a few connections per thread, and memory of the largest heads that it has seen.
        if last.rss > first.rss * 1.25 + 4096 or last.descriptors > first.descriptors + 60:
            problems.append(f"{key[0]} has grown")
    log = server.log.stat().st_size
    # log-rate= of what its processes print, and ten times as much in each child of what its requests log.
    allowed = (arguments.seconds + 60) * 100 * 1200 * (1 + 10 * CHILDREN)
    if log > allowed:
        problems.append(f"{log} bytes of log")
    wait(lambda: server.get("/work?end"))
    attacks = ", ".join(f"{count} × {status}" for status, count in sorted(counts.items(), key=str))
    print(f"hostile: {arguments.seconds} s; honest: {len(quiet.times)} and {len(honest.times)} requests, "
          f"p99 {calm * 1000:.1f} ms quiet, {busy * 1000:.1f} ms beside the attack, {len(honest.failures)} lost; "
          f"attacks: {attacks}; log {log >> 10} KiB; the supervisor used {seconds:.1f} s of a processor")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--quiet", type=int, default=20)
    parser.add_argument("--slower", type=float, default=2.0)
    parser.add_argument("--library", default=str(TREE / "build/lib"))
    sys.exit(0 if run(parser.parse_args()) else 1)


if __name__ == "__main__":
    main()
