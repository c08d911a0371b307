#!/usr/bin/env python3
"""A front and four application hosts in network namespaces, with the files of examples/cluster, under load from a client.

A rolling deploy, a host that is killed, one whose link is cut, one that is slow, and one that is added: no request may be
lost but those that the killed or cut host had, and none may be run twice. See docs/scaling.md. Root only."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = pathlib.Path(__file__).resolve().parent
EXAMPLE = TREE / "examples/cluster"
HOSTS = {f"host{number}": f"10.77.0.1{number}" for number in range(1, 5)}
MODULES = ["mpm_event", "authz_core", "authz_host", "log_config", "headers", "unique_id", "watchdog", "slotmem_shm", "proxy",
           "proxy_http", "proxy_balancer", "proxy_hcheck", "lbmethod_bybusyness", "remoteip", "unixd"]


def run(*command, check=True, **more):
    return subprocess.run([str(part) for part in command], check=check, text=True, **more)


def apxs(name):
    return run("apxs", "-q", name, capture_output=True).stdout.strip()


def wait(probe, what, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            found = probe()
            if found:
                return found
        except (OSError, ValueError, subprocess.CalledProcessError):
            pass
        if time.monotonic() > end:
            raise SystemExit(f"cluster: waited too long: {what}")
        time.sleep(0.02)


class Network:
    """Namespaces joined by veth pairs; the hosts hang on a bridge in the front's."""

    def __init__(self):
        self.prefix = f"wsgi{os.getpid()}-"
        self.made = []

    def name(self, who):
        return self.prefix + who

    def make(self):
        for who in ["front", "client", *HOSTS]:
            run("ip", "netns", "add", self.name(who))
            self.made.append(who)
            self.ip(who, "link", "set", "lo", "up")
        self.ip("front", "link", "add", "hosts", "type", "bridge")
        self.ip("front", "addr", "add", "10.77.0.1/24", "dev", "hosts")
        self.ip("front", "link", "set", "hosts", "up")
        for who, address in {**HOSTS, "client": "10.78.0.2"}.items():
            self.ip("front", "link", "add", who, "type", "veth", "peer", "name", "eth0", "netns", self.name(who))
            if who == "client":
                self.ip("front", "addr", "add", "10.78.0.1/24", "dev", who)
            else:
                self.ip("front", "link", "set", who, "master", "hosts")
            self.ip("front", "link", "set", who, "up")
            self.ip(who, "addr", "add", f"{address}/24", "dev", "eth0")
            self.ip(who, "link", "set", "eth0", "up")

    def ip(self, who, *command):
        run("ip", "-n", self.name(who), *command)

    def pids(self, who):
        return [int(pid) for pid in run("ip", "netns", "pids", self.name(who), capture_output=True).stdout.split()]

    def remove(self):
        for who in reversed(self.made):
            for pid in self.pids(who):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            run("ip", "netns", "del", self.name(who), check=False)


class Cluster:
    """All servers, and what is done to them."""

    def __init__(self, network, library):
        self.network = network
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="mod-wsgi-cluster-", dir="/var/tmp"))
        self.root.chmod(0o755)
        shutil.copytree(library, self.root / "lib")
        run("chmod", "-R", "a+rX", self.root / "lib")
        self.program = os.path.join(apxs("SBINDIR"), apxs("PROGNAME"))
        self.ctl = self.root / "lib/mod_wsgi/mod_wsgi-ctl"
        # What deploy.sh runs in place of ssh: the same on a host of ours, which has an /srv/app of its own.
        self.ssh = self.root / "in-host"
        self.ssh.write_text(f"""#!/bin/sh
exec ip netns exec {network.prefix}"$1" sh -c 'mount -t tmpfs none /srv && mkdir -m 755 /srv/app &&
mount --bind {self.root}/'"$1"'/app /srv/app && exec sh -c "$1"' sh "$2"
""")
        self.ssh.chmod(0o755)
        for who in HOSTS:
            self.prepare_host(who)
        self.prepare("front", "<VirtualHost *:80>\nServerName app.example.com\n" + (EXAMPLE / "front.conf").read_text()
                     + f"CustomLog {self.root}/front/access.log front\n</VirtualHost>\nListen 10.78.0.1:80\n")

    def prepare_host(self, who):
        app = self.root / who / "app"
        for release in ("1", "2"):
            (app / "releases" / release).mkdir(parents=True)
            shutil.copy(HERE / "wsgi.py", app / "releases" / release)
        (app / "current").symlink_to("releases/1")
        (app / "seen").touch()
        (app / "seen").chmod(0o666)
        own = f"LoadModule wsgi_module {self.root}/lib/mod_wsgi.so\nWSGISocketPrefix {self.root}/{who}/run/wsgi\n"
        self.prepare(who, own + (EXAMPLE / "host.conf").read_text())

    def prepare(self, who, text):
        folder = self.root / who
        (folder / "run").mkdir(parents=True, exist_ok=True)
        modules = pathlib.Path(apxs("LIBEXECDIR"))
        loads = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in MODULES
                 if (modules / f"mod_{name}.so").exists()]
        (folder / "httpd.conf").write_text("\n".join(loads) + f"""
ServerRoot {folder}
DefaultRuntimeDir {folder}/run
PidFile {folder}/run/httpd.pid
ServerName {who}
ErrorLog {folder}/error.log
LogLevel warn{" wsgi:info" if who in HOSTS else ""}
User www-data
Group www-data
DocumentRoot {folder}/run
{text}""")

    def start(self, who):
        command = f"{self.program} -d {self.root / who} -f {self.root / who / 'httpd.conf'}"
        if who == "front":
            run("ip", "netns", "exec", self.network.name(who), *command.split())
        else:
            run(self.ssh, who, command)

    def healthy(self, who):
        return run(self.ssh, who, "curl -sf -o /dev/null http://127.0.0.1:8080/wsgi-health", check=False).returncode == 0

    def kill(self, who):
        for pid in self.network.pids(who):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait(lambda: not self.network.pids(who), f"{who} is dead")
        shutil.rmtree(self.root / who / "run")
        (self.root / who / "run").mkdir()

    def seen(self, who):
        return [line.split()[0] for line in (self.root / who / "app/seen").read_text().splitlines()]

    def deploy(self, release, hosts):
        environment = {**os.environ, "SSH": str(self.ssh), "CTL": str(self.ctl), "DRAIN": "3"}
        done = run(EXAMPLE / "deploy.sh", release, *hosts, env=environment, check=False, capture_output=True)
        return done.returncode == 0, done.stderr


class Load:
    """A client that runs until it is stopped."""

    def __init__(self, cluster, threads, pause, prefix):
        self.cluster, self.prefix = cluster, prefix
        command = ["ip", "netns", "exec", cluster.network.name("client"), sys.executable, HERE / "client.py",
                   cluster.root, threads, pause, prefix]
        self.process = subprocess.Popen([str(part) for part in command])

    def stop(self):
        (self.cluster.root / f"stop-{self.prefix}").touch()
        self.process.wait()
        rows = []
        for line in (self.cluster.root / f"records-{self.prefix}").read_text().splitlines():
            name, method, begin, end, status, release = line.split()
            rows.append((name, method, float(begin), float(end), status, release))
        return rows


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def throughput(cluster, hosts, seconds, prefix):
    """Requests per second with a fixed sleep of 0.2 s each, and more clients than threads."""
    for who in HOSTS:
        (cluster.root / who / "app/delay").write_text("0.2")
    time.sleep(2)
    load = Load(cluster, 20 * hosts, 0, prefix)
    time.sleep(3)
    begin = time.time()
    time.sleep(seconds)
    end = time.time()
    rows = load.stop()
    return sum(1 for row in rows if begin <= row[3] < end and row[4] == "200") / seconds


class Trial:
    def __init__(self, cluster, seconds):
        self.cluster, self.seconds = cluster, seconds
        self.events, self.problems, self.said = [], [], []

    def say(self, text):
        self.said.append(text)
        print(f"cluster: {text}", flush=True)

    def calm(self, name):
        """A time in which nothing happens, after the last event has been got over."""
        time.sleep(3)
        begin = time.time()
        time.sleep(self.seconds)
        self.events.append((name, begin, time.time()))

    def event(self, name, work):
        begin = time.time()
        work()
        self.events.append((name, begin, time.time()))

    def run(self):
        cluster = self.cluster
        for who in ("host1", "host2", "host3"):
            cluster.start(who)
        cluster.start("front")
        wait(lambda: all(cluster.healthy(who) for who in ("host1", "host2", "host3")), "three healthy hosts")
        ask = ["ip", "netns", "exec", cluster.network.name("client"), "curl", "-sf", "http://10.78.0.1/"]
        wait(lambda: run(*ask, capture_output=True).stdout.startswith("1 "), "the first answer")
        time.sleep(3)
        load = Load(cluster, 12, 0.02, "load")
        try:
            self.calm("quiet")
            self.event("deploy", self.deploy)
            self.calm("after the deploy")
            self.event("kill", self.kill)
            self.calm("after the kill")
            self.event("cut", self.cut)
            self.calm("after the cut")
            self.event("slow", self.slow)
            self.calm("after the slow host")
            self.event("add", self.add)
            self.calm("after the addition")
        finally:
            rows = load.stop()
        self.judge(rows)

    def deploy(self):
        good, said = self.cluster.deploy("2", ["host1", "host2", "host3"])
        if not good:
            self.problems.append(f"deploy.sh failed: {said}")

    def kill(self):
        self.cluster.kill("host2")
        time.sleep(5)
        self.cluster.start("host2")
        wait(lambda: self.cluster.healthy("host2"), "host2 is back")

    def cut(self):
        self.cluster.network.ip("front", "link", "set", "host3", "down")
        time.sleep(10)
        self.cluster.network.ip("front", "link", "set", "host3", "up")
        time.sleep(15)  # what hung may still end

    def slow(self):
        delay = self.cluster.root / "host1/app/delay"
        delay.write_text("1.0")
        time.sleep(10)
        delay.unlink()

    def add(self):
        app = self.cluster.root / "host4/app"
        (app / "current").unlink()
        (app / "current").symlink_to("releases/2")
        self.cluster.start("host4")
        wait(lambda: self.cluster.healthy("host4"), "host4 is healthy")
        begin = time.monotonic()
        wait(lambda: self.cluster.seen("host4"), "host4 gets requests")
        took = time.monotonic() - begin
        self.say(f"the added host had its first request {took:.1f} s after it was healthy")
        if took > 5:
            self.problems.append(f"added capacity is used after {took:.1f} s only")

    def judge(self, rows):
        seen = {}
        for who in HOSTS:
            for name in self.cluster.seen(who):
                seen.setdefault(name, []).append(who)
        twice = [name for name, hosts in seen.items() if len(hosts) > 1]
        self.problems += [f"{name} was run by {seen[name]}" for name in twice]
        lost = {}
        for name, method, begin, end, status, _ in rows:
            if status == "200":
                if name not in seen:
                    self.problems.append(f"{name}: answered, but never run")
                continue
            when = next((event for event in ("kill", "cut") if self.within(event, begin, end)), None)
            went = self.sent_to(name)
            if (when, went) in (("kill", "host2"), ("cut", "host3")):
                lost.setdefault(when, []).append(name)
            else:
                self.problems.append(f"{name} ({method}): {status} at {begin:.1f} from {went}, run by {seen.get(name)}")
        missing = {event: len(names) for event, names in lost.items()}
        self.say(f"{len(rows)} requests, {len(rows) - sum(missing.values())} answered 200 or named below; lost with the "
                 f"killed host: {missing.get('kill', 0)}, with the cut one: {missing.get('cut', 0)}; run twice: {len(twice)}")
        quiet = None
        for name, begin, end in self.events:
            times = [row[3] - row[2] for row in rows if begin <= row[2] < end and row[4] == "200"]
            p99 = percentile(times, 0.99)
            self.say(f"{name}: {len(times)} requests, p50 {percentile(times, 0.5) * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, "
                     f"longest {max(times, default=0):.1f} s")
            quiet = quiet or p99
            if name.startswith("after") and p99 > quiet * 1.5:
                self.problems.append(f"{name}: p99 is {p99 / quiet:.2f} times that of the quiet time")
        old = [row for row in rows if row[5] == "1" and self.since("deploy", row[2])]
        self.problems += [f"{row[0]}: release 1 after the deploy" for row in old[:5]]

    def within(self, event, begin, end):
        return any(name == event and begin <= last + 1 and end >= first - 1 for name, first, last in self.events)

    def since(self, event, moment):
        return any(name == event and moment > last for name, _, last in self.events)

    def sent_to(self, name):
        """The host that the front sent a request to at last."""
        line = next((line for line in self.front_log().splitlines() if f"?{name} " in line), "")
        found = re.search(r"host=http://([\d.]+)", line)
        return next((who for who, address in HOSTS.items() if found and found[1] == address), None)

    def front_log(self):
        return (self.cluster.root / "front/access.log").read_text(errors="replace")

    def scale(self):
        """One host against three."""
        cluster, seconds = self.cluster, self.seconds
        cluster.kill("host4")
        for who in ("host2", "host3"):
            run(cluster.ssh, who, f"{cluster.ctl} drain")
        one = throughput(cluster, 1, seconds, "one")
        for who in ("host2", "host3"):
            run(cluster.ssh, who, f"{cluster.ctl} undrain")
        three = throughput(cluster, 3, seconds, "three")
        self.say(f"throughput with 0.2 s of sleep per request: one host {one:.0f}/s, three {three:.0f}/s: "
                 f"{three / one:.2f} times")
        if three < 2.8 * one:
            self.problems.append(f"three hosts give {three / one:.2f} times the throughput of one")


def skip():
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    name = f"wsgi{os.getpid()}-probe"
    made = run("ip", "netns", "add", name, check=False, capture_output=True)
    if made.returncode != 0:
        return f"network namespaces are not permitted here: {made.stderr.strip()}"
    run("ip", "netns", "del", name)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="of each calm time")
    parser.add_argument("--library", default=str(TREE / "build/lib"))
    arguments = parser.parse_args()
    reason = skip()
    if reason:
        print(f"cluster: skipped: {reason}")
        return
    network = Network()
    try:
        network.make()
        cluster = Cluster(network, arguments.library)
        trial = Trial(cluster, arguments.seconds)
        trial.run()
        trial.scale()
    finally:
        network.remove()
    for text in trial.problems[:40]:
        print(f"cluster: PROBLEM: {text}")
    print(f"cluster: {len(trial.problems)} problems; logs: {cluster.root}" if trial.problems else "cluster: no problem")
    if not trial.problems:
        shutil.rmtree(cluster.root)
    sys.exit(1 if trial.problems else 0)


if __name__ == "__main__":
    main()
