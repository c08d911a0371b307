#!/usr/bin/env python3
"""Soak test: constant load while httpd is restarted gracefully, scripts are touched and broken, and daemons are killed.

Every response must be 200, except those whose own process was killed while the application ran them: those are 502 (or
broken off, if their head was out), and the error log has a line for each. A second part restarts httpd gracefully
again and again and looks for what grows. See docs/soak.md."""

import argparse
import hashlib
import http.client
import itertools
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = pathlib.Path(__file__).resolve().parent


def apxs(name):
    return subprocess.run(["apxs", "-q", name], check=True, capture_output=True, text=True).stdout.strip()


class Server:
    """An httpd of its own with the module of build/lib and one group of three processes."""

    def __init__(self, mpm, library):
        self.mpm = mpm
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mod-wsgi-soak-", dir="/var/tmp"))
        self.root.chmod(0o755)
        for name in ("run", "app", "htdocs"):
            (self.root / name).mkdir()
        shutil.copytree(library, self.root / "lib")
        subprocess.run(["chmod", "-R", "a+rX", str(self.root / "lib")], check=True)
        shutil.copy(HERE / "app.py", self.root / "app/app.wsgi")
        (self.root / "app/started").touch()
        (self.root / "app/started").chmod(0o666)
        self.script = self.root / "app/app.wsgi"
        self.source = self.script.read_text()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.program = os.path.join(apxs("SBINDIR"), apxs("PROGNAME"))
        self.log = self.root / "error.log"
        (self.root / "httpd.conf").write_text(self.configuration())
        self.httpd("-t")
        self.httpd()
        self.pid = int(wait(lambda: (self.root / "run/httpd.pid").read_text()))
        wait(lambda: self.get("/work?start"))

    def configuration(self):
        modules = pathlib.Path(apxs("LIBEXECDIR"))
        wanted = ["mpm_" + self.mpm, "unixd", "authz_core", "log_config", "http2"]
        if self.mpm == "prefork":
            wanted.remove("http2")
        loads = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in wanted
                 if (modules / f"mod_{name}.so").exists()]
        user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        limits = {"prefork": "ServerLimit 150\nMaxRequestWorkers 150\nStartServers 20\nMinSpareServers 15\n"
                             "MaxSpareServers 40\n"}
        threads = "ServerLimit 60\nThreadsPerChild 20\nMaxRequestWorkers 120\nStartServers 2\n"
        if self.mpm == "worker":  # each generation has its own children, and old ones linger for ten seconds
            threads = "ServerLimit 60\nThreadsPerChild 20\nMaxRequestWorkers 1200\nStartServers 2\nMaxSpareThreads 80\n"
        protocols = "" if self.mpm == "prefork" else "Protocols h2c http/1.1\n"
        return "\n".join(loads) + f"""
ServerRoot {self.root}
DefaultRuntimeDir {self.root}/run
PidFile {self.root}/run/httpd.pid
ServerName localhost
Listen 127.0.0.1:{self.port}
DocumentRoot {self.root}/htdocs
ErrorLog {self.log}
LogLevel warn wsgi:info mpm_{self.mpm}:notice
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
{user}{protocols}{limits.get(self.mpm, threads)}
LoadModule wsgi_module {self.root}/lib/mod_wsgi.so
WSGIPythonHome /usr
WSGISocketPrefix {self.root}/run/wsgi
WSGIRestrictEmbedded On
WSGIChunkedRequest On
WSGIDaemonProcess soak processes=3 threads=12 display-name=%{{GROUP}}
WSGIScriptAlias / {self.script} process-group=soak application-group=%{{GLOBAL}}
<Directory {self.root}/app>
Require all granted
</Directory>
"""

    def httpd(self, *arguments):
        command = [self.program, "-d", str(self.root), "-f", str(self.root / "httpd.conf"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"soak: {' '.join(command)}: {done.stderr}")

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status == 200
        finally:
            connection.close()

    def log_text(self):
        return self.log.read_text(errors="replace")

    def graceful(self):
        before = self.log_text().count("resuming normal operations")
        os.kill(self.pid, signal.SIGUSR1)
        wait(lambda: self.log_text().count("resuming normal operations") > before)

    def control(self):
        return next((self.root / "run").glob("wsgi.*.control"))

    def status(self):
        program = self.root / "lib/mod_wsgi/mod_wsgi-ctl"
        done = subprocess.run([program, "--socket", self.control(), "--json", "status"], capture_output=True,
                              text=True)
        import json
        return json.loads(done.stdout)

    def serving(self):
        rows = self.status()["groups"][0]["processes"]
        return [row["pid"] for row in rows if row["state"] == "serving"]

    def settled(self):
        """All three serve, and no change is under way or refused."""
        group = self.status()["groups"][0]
        staying = [row for row in group["processes"] if row["state"] != "draining"]
        return len(staying) == 3 and all(row["state"] == "serving" for row in staying) \
            and not group["import_failed"]

    def supervisor(self):
        return self.status()["supervisor"]

    def stop(self):
        """Returns what is left afterwards."""
        family = descendants(self.pid)
        self.httpd("-k", "stop")
        try:
            wait(lambda: not any(alive(pid) for pid in family), 20)
        except TimeoutError:
            pass
        left = [f"process {pid}: {command(pid)}" for pid in family if alive(pid)]
        left += [str(path) for path in self.root.rglob("*") if path.is_socket()]
        return left


def wait(probe, seconds=30):
    """Until `probe` gives something true."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = probe()
            if found:
                return found
        except (OSError, http.client.HTTPException, StopIteration, ValueError, IndexError):
            pass
        if time.monotonic() > end:
            raise TimeoutError("waited too long")
        time.sleep(0.02)


def command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "?"


def alive(pid):
    try:
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def descendants(pid):
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                pass
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found


class Load:
    """Clients that ask without pause, and what went wrong."""

    def __init__(self, server, seed):
        self.server = server
        self.over = threading.Event()
        self.number = itertools.count()
        self.lock = threading.Lock()
        self.counts, self.failures = {}, []
        self.closed = 0
        self.streams = {}
        self.seed = seed
        kinds = [self.kept] * 3 + [self.fresh] * 2 + [self.long] * 4 + [self.upload] * 2 + [self.download] * 2
        if server.mpm != "prefork" and shutil.which("h2load"):
            kinds += [self.http2] * 2
        self.threads = [threading.Thread(target=kind) for kind in kinds]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def note(self, kind, name, problem):
        with self.lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if problem:
                self.failures.append((kind, name, problem, time.monotonic()))

    def name(self, kind):
        return f"{kind}-{next(self.number)}"

    def one(self, kind, path, body=None, check=None, connection=None):
        """One request; on a kept connection the server may have closed it before: then once more on a new one."""
        while True:
            name = self.name(kind)
            reused = connection is not None
            wire = connection or http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=90)
            try:
                wire.request("POST" if body else "GET", f"{path}?{name}", body=body and body())
                response = wire.getresponse()
                text = response.read()
                good = response.status == 200 and (check is None or check(text))
                self.note(kind, name, None if good else f"{response.status} {len(text)} bytes")
                closing = response.will_close
            except (OSError, http.client.HTTPException) as error:
                wire.close()
                early = isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError))
                if reused and early:
                    with self.lock:
                        self.closed += 1
                    connection = None
                    continue
                self.note(kind, name, f"{type(error).__name__}: {error}")
                return None
            if closing or kind != "kept":
                wire.close()
                return None
            return wire

    def kept(self):
        connection = None
        while not self.over.is_set():
            connection = self.one("kept", "/work", connection=connection)
            time.sleep(0.01)

    def fresh(self):
        while not self.over.is_set():
            self.one("fresh", "/work")
            time.sleep(0.01)

    def long(self):
        while not self.over.is_set():
            self.one("long", "/long")

    def upload(self):
        block = os.urandom(65536)
        want = hashlib.sha256(block * 20).hexdigest().encode()

        def body():
            for _ in range(20):
                yield block
                time.sleep(0.05)
        while not self.over.is_set():
            self.one("upload", "/upload", body=body, check=lambda text: text == want)

    def download(self):
        want = bytes(range(256)) * 256 * 32
        while not self.over.is_set():
            self.one("download", "/download", check=lambda text: text == want)

    def http2(self):
        """Four streams of one connection. A graceful restart makes httpd say GOAWAY and leave streams that it has not
        begun, static files or not; what counts is that those it has begun are answered."""
        while not self.over.is_set():
            name = self.name("http2")
            url = f"http://127.0.0.1:{self.server.port}/work?{name}"
            out = subprocess.run(["h2load", "-n", "4", "-c", "1", "-m", "4", url], capture_output=True, text=True).stdout
            codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
            good, *bad = map(int, codes.groups()) if codes else (0, 0)
            with self.lock:
                self.counts["http2"] = self.counts.get("http2", 0) + 4
                self.streams[name] = good
                if sum(bad):
                    problem = "502" if bad == [0, 0, sum(bad)] else f"statuses {bad}"
                    self.failures.append(("http2", name, problem, time.monotonic()))


class Soak:
    """One run of the first part."""

    def __init__(self, arguments, mpm):
        self.arguments, self.mpm = arguments, mpm
        self.random = random.Random(arguments.seed)
        self.server = self.make_server()
        self.killed = set()
        self.kills = []
        self.unseen_deaths = set()  # while nobody could see them
        self.expected = re.compile("(?!)")  # lines of a high level that have been asked for

    def make_server(self):
        return Server(self.mpm, self.arguments.library)

    def touch(self):
        os.utime(self.server.script)

    def graceful(self):
        self.server.graceful()

    def kill(self):
        pid = self.random.choice(self.server.serving() or [0])
        if pid and command(pid).startswith("(wsgi:soak"):
            self.killed.add(pid)
            self.kills.append(time.monotonic())
            os.kill(pid, signal.SIGKILL)

    def broken(self):
        """A deploy that cannot be imported, and its repair."""
        wait(self.server.settled, 120)
        wait(self.all_loaded, 60)
        self.server.script.write_text("import nothing_of_that_name\n" + self.server.source)
        wait(lambda: self.server.status()["groups"][0]["import_failed"], 60)
        time.sleep(self.random.random())
        self.server.script.write_text(self.server.source)
        os.utime(self.server.script)
        wait(self.server.settled, 120)

    def all_loaded(self):
        """A process that was started after a kill loads the script with its first request."""
        text = (self.server.root / "app/started").read_text()
        return all(f" {pid}\n" in text for pid in self.server.serving())

    def run(self):
        wanted = self.arguments
        actions = [self.graceful] * wanted.graceful + [self.touch] * wanted.touch + [self.broken] * wanted.broken \
            + [self.kill] * wanted.kill
        self.random.shuffle(actions)
        load = Load(self.server, wanted.seed)
        start = time.monotonic()
        try:
            for number, action in enumerate(actions):
                action()
                time.sleep(0.1 + self.random.random() * 0.5)
                if number % 25 == 24:
                    print(f"{self.mpm}: {number + 1} of {len(actions)} actions, {sum(load.counts.values())} requests, "
                          f"{len(load.failures)} not 200", flush=True)
            wait(self.server.settled, 120)
        finally:
            load.stop()
        left = self.server.stop()
        return self.judge(load, left, time.monotonic() - start)

    def told(self):
        """What was done."""
        a = self.arguments
        return (f"{a.graceful} graceful restarts, {a.touch} touches, {a.broken} broken deploys, "
                f"{len(self.killed)} kills")

    def judge(self, load, left, seconds):
        started = {}
        for line in (self.server.root / "app/started").read_text().splitlines():
            name, _, pid = line.partition(" ")
            started.setdefault(name, []).append(int(pid))
        log = self.server.log_text()
        problems = [f"left behind: {what}" for what in left]
        excused = unseen = 0
        for kind, name, problem, moment in load.failures:
            pids = started.get(name, [])
            is_cut = problem.startswith("502") or kind == "download"
            is_unseen = len(pids) < (4 if kind == "http2" else 1)
            if problem.startswith("502") and is_unseen and any(-1 < moment - kill < 1 for kill in self.kills):
                unseen += 1  # killed between taking the request and leaving its number
            elif is_cut and kind == "http2" and set(pids) & self.killed:
                pass  # counted with the streams
            elif is_cut and pids and pids[-1] in self.killed:
                excused += 1
            else:
                clock = time.strftime("%H:%M:%S", time.localtime(time.time() - time.monotonic() + moment))
                is_killed = bool(set(pids) & self.killed)
                problems.append(f"{clock} {name}: {problem} (started in {pids}, killed: {is_killed})")
        for name, good in load.streams.items():
            pids = started.get(name, [])
            lost = len(pids) - good
            if lost > 0 and set(pids) & self.killed:
                excused += lost
            elif lost > 0:
                problems.append(f"{name}: {lost} streams were begun and not answered")
        # A process may be killed between reading a request and the application's first line: rarely, but in few kills, too.
        if unseen > max(1, len(self.killed) * 0.1):
            problems.append(f"{unseen} requests got 502 and were not seen by the application")
        twice = {name for name, pids in started.items()
                 if len(pids) > 1 and name != "start" and name not in load.streams}
        problems += [f"{name}: run {len(started[name])} times" for name in sorted(twice)[:20]]
        untold = [pid for pid in self.killed - self.unseen_deaths
                  if not re.search(rf"daemon process {pid} of group.*SIGKILL", log)]
        problems += [f"the death of {pid} is not told" for pid in untold]
        for line in log.splitlines():
            if re.search(r"\[(emerg|alert|crit)\]|:(emerg|alert|crit)\]|panicked|Segmentation", line) \
                    and not self.expected.search(line):
                problems.append(f"log: {line}")
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(load.counts.items()))
        print(f"{self.mpm}: {self.told()} in {seconds:.0f} s; requests: {counts}; "
              f"{load.closed} kept connections closed between requests; "
              f"{excused} cut by their own process's death; {len(problems)} problems", flush=True)
        if problems:
            print("\n".join(problems[:40]))
            (self.server.root / "problems").write_text("\n".join(problems) + "\n")
            print(f"kept: {self.server.root}")
        else:
            shutil.rmtree(self.server.root)
        return not problems


class Sizes:
    """What could grow in one process."""

    def __init__(self, pid):
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()

        def field(name):
            return int(re.search(rf"^{name}:\s+(\d+)", rollup, re.M)[1])

        self.rss, self.private = field("Rss"), field("Private_Dirty")
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.mappings = len(pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines())
        self.threads = len(os.listdir(f"/proc/{pid}/task"))


def flat(arguments, mpm):
    """The second part: graceful restarts without end."""
    count = arguments.flat
    server = Server(mpm, arguments.library)
    samples = {"parent": [], "supervisor": []}
    start = time.monotonic()
    over = threading.Event()
    failed = []

    def ask():
        while not over.is_set():
            try:
                if not server.get("/work?flat"):
                    failed.append("a response is not 200")
            except (OSError, http.client.HTTPException) as error:
                failed.append(str(error))
            time.sleep(0.05)
    client = threading.Thread(target=ask)
    client.start()
    try:
        for number in range(count):
            server.graceful()
            if number >= min(10, count // 2) and number % 4 == 0:  # the first ones fill the heap
                samples["parent"].append(Sizes(server.pid))
                samples["supervisor"].append(Sizes(server.supervisor()))
            if number % 100 == 99:
                print(f"{mpm}: {number + 1} of {count} graceful restarts", flush=True)
        wait(server.settled, 60)
    finally:
        over.set()
        client.join()
    processes = len(descendants(server.pid))
    left = server.stop()
    problems = [f"left behind: {what}" for what in left] + failed[:20]
    edge = max(len(samples["parent"]) // 12, 1)
    for who, sizes in samples.items():
        steps = [sizes[len(sizes) * step // 10].rss for step in range(10)]
        print(f"{mpm}: {who}: rss over time {steps} KiB")
        # Processes that still drain hold some; a leak would show once per restart.
        for what, allowed in (("rss", 0.02), ("descriptors", 8), ("mappings", 8), ("threads", 0)):
            first = statistics.median(getattr(size, what) for size in sizes[:edge])
            last = statistics.median(getattr(size, what) for size in sizes[-edge:])
            print(f"{mpm}: {who}: {what} {first:g} at first, {last:g} in the end")
            limit = first * (1 + allowed) if what == "rss" else first + allowed
            if last > limit:
                problems.append(f"{who}: {what} grew from {first:g} to {last:g}")
    print(f"{mpm}: {count} graceful restarts in {time.monotonic() - start:.0f} s, {processes} processes at the end, "
          f"{len(problems)} problems", flush=True)
    if problems:
        print("\n".join(problems), f"\nkept: {server.root}")
    else:
        shutil.rmtree(server.root)
    return not problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpm", default="event,worker,prefork")
    parser.add_argument("--graceful", type=int, default=200)
    parser.add_argument("--touch", type=int, default=50)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--kill", type=int, default=100)
    parser.add_argument("--flat", type=int, default=1200)
    parser.add_argument("--flat-mpm", default="event")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--library", default=str(TREE / "build/lib"))
    arguments = parser.parse_args()
    good = True
    if arguments.graceful + arguments.touch + arguments.broken + arguments.kill > 0:
        for mpm in filter(None, arguments.mpm.split(",")):
            good &= Soak(arguments, mpm).run()
    if arguments.flat:
        good &= flat(arguments, arguments.flat_mpm)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
