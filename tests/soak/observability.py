#!/usr/bin/env python3
"""Prometheus (Debian's package) scrapes a server under steady load while it is restarted gracefully and daemons are killed;
Chromium, where it is installed, opens the status page at rest and under load.

No scrape may fail, no counter may go back, and the rates must be those of the load generator within 1 %, as must be the
numbers of the page. The screenshots are for looking at."""

import argparse
import fcntl
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

from soak import TREE, Server, wait

PAGES = """
<Location /wsgi-status>
SetHandler wsgi-status
</Location>
<Location /wsgi-health>
SetHandler wsgi-health
</Location>
"""


class Observed(Server):
    """The soak test's server, with the pages."""

    def configuration(self):
        return super().configuration() + PAGES


class Generator:
    """Requests at a fixed rate, and when each was answered, with which status."""

    def __init__(self, port, rate, threads=8):
        self.port, self.rate, self.threads = port, rate, threads
        self.over = threading.Event()
        self.answered, self.failed = [], []
        self.running = [threading.Thread(target=self.client, args=(number,)) for number in range(threads)]
        self.start = time.time()
        for thread in self.running:
            thread.start()

    def client(self, number):
        wire, step = None, self.threads / self.rate
        due = self.start + number / self.rate
        while not self.over.is_set():
            time.sleep(max(0, due - time.time()))
            due += step
            for attempt in (1, 2):
                reused = wire is not None
                wire = wire or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                try:
                    wire.request("GET", f"/work?rate-{number}")
                    response = wire.getresponse()
                    response.read()
                    self.answered.append((time.time(), response.status))
                    if response.will_close:
                        wire.close()
                        wire = None
                    break
                except (OSError, http.client.HTTPException) as error:
                    wire.close()
                    wire = None
                    # A kept connection that was closed between requests: this one has not been taken.
                    if attempt == 2 or not reused or not isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
                        self.failed.append((time.time(), repr(error)))
                        break

    def stop(self):
        self.over.set()
        for thread in self.running:
            thread.join()

    def between(self, begin, end, classes="2345"):
        return sum(1 for moment, status in list(self.answered) if begin <= moment < end and str(status)[0] in classes)


class Prometheus:
    """Debian's, scraping every second."""

    def __init__(self, folder, port):
        self.folder, self.log = folder / "prometheus", folder / "prometheus.log"
        self.folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (self.folder / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: mod_wsgi
    metrics_path: /wsgi-status
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
""")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=subprocess.DEVNULL, stderr=open(self.log, "w"))
        wait(lambda: self.query("up")[0][1] == 1.0)

    def query(self, text, moment=None):
        """Labels and value of each series."""
        asked = {"query": text, **({"time": f"{moment:.3f}"} if moment else {})}
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            rows = json.load(answer)["data"]["result"]
        return [(row["metric"], float(row["value"][1])) for row in rows]

    def one(self, text, moment=None):
        rows = self.query(text, moment)
        return rows[0][1] if rows else float("nan")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Trial:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(1)
        self.problems = []
        self.shots = pathlib.Path(arguments.screenshots)
        self.server = Observed("event", arguments.library)

    def say(self, text):
        print(f"observability: {text}", flush=True)

    def near(self, what, told, true):
        off = abs(told - true) / max(true, 1)
        self.say(f"{what}: {told:.1f}, the load generator says {true:.1f} ({off:.2%} off)")
        if not off <= 0.01:
            self.problems.append(f"{what}: {told} is not {true}")

    def page(self, query=""):
        return f"http://127.0.0.1:{self.server.port}/wsgi-status{query}"

    def fetch(self, query=""):
        with urllib.request.urlopen(self.page(query), timeout=10) as answer:
            return answer.read().decode()

    def chromium(self, *more):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            return None
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.server.root}/chromium",
                   "--window-size=1280,1000", *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout

    def screenshot(self, name):
        self.shots.mkdir(parents=True, exist_ok=True)
        path = self.shots / f"{name}.png"
        if self.chromium(f"--screenshot={path}", self.page("?refresh=0")) is None:
            self.say("chromium is not installed: no screenshots")
        else:
            self.say(f"screenshot: {path}")

    def shown(self, address, pattern):
        """A number of the page as a browser has it."""
        text = self.chromium("--dump-dom", address) or urllib.request.urlopen(address, timeout=10).read().decode()
        return float(re.search(pattern, text, re.S)[1])

    def disturb(self, until):
        """Graceful restarts and killed daemons, at odd times."""
        restarts = kills = 0
        while time.time() < until:
            time.sleep(self.random.uniform(3, 6))
            if self.random.random() < 0.5:
                self.server.graceful()
                restarts += 1
            else:
                pids = self.server.serving()
                if pids:
                    os.kill(self.random.choice(pids), signal.SIGKILL)
                    kills += 1
        self.say(f"{restarts} graceful restarts, {kills} killed daemons")

    def run(self):
        """Whatever happens, the servers end."""
        prometheus = None
        try:
            self.screenshot("at-rest")
            self.rest()
            self.stuck()
            prometheus = Prometheus(self.server.root, self.server.port)
            self.watch(prometheus)
        finally:
            if prometheus:
                prometheus.stop()
            self.problems += [f"left behind: {what}" for what in self.server.stop()]

    def rest(self):
        """What httpd's parent and children, and the supervisor, use while nobody asks anything."""
        time.sleep(2)
        before, seconds = self.used(), 20
        time.sleep(seconds)
        ticks = {name: now - before.get(name, 0) for name, now in self.used().items()}
        self.say(f"at rest for {seconds} s: hundredths of a second of CPU: {ticks}")

    def used(self):
        """Clock ticks by kind of process."""
        ticks = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                name, fields = path.read_text().split("(", 1)[1].rsplit(")", 1)
                mine = str(self.server.root) in (path.parent / "maps").read_text()
            except OSError:
                continue
            if mine:
                ticks[name] = ticks.get(name, 0) + sum(map(int, fields.split()[11:13]))
        return ticks

    def stuck(self):
        """Every process is kept from its GIL; the page answers."""
        gate = open(self.server.root / "app/gate", "w")
        fcntl.flock(gate, fcntl.LOCK_EX)
        waiting = []
        for number in range(12):
            wire = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            wire.request("GET", f"/stuck?stuck-{number}")
            waiting.append(wire)
        wait(lambda: all(row["active"] > 0 for row in json.loads(self.fetch("?format=json"))["groups"][0]["processes"]))
        for query in ("?refresh=0", "?format=json", "?format=openmetrics"):
            times = []
            for _ in range(200):
                begin = time.monotonic()
                self.fetch(query)
                times.append(time.monotonic() - begin)
            times.sort()
            p50, p99 = times[100] * 1e3, times[197] * 1e3
            self.say(f"all processes stuck: {query} answers within {p50:.1f} ms (p50), {p99:.1f} ms (p99)")
            if p50 > 50:
                self.problems.append(f"{query} takes {p50:.0f} ms while processes are stuck")
        gate.close()
        for wire in waiting:
            if wire.getresponse().status != 200:
                self.problems.append("a stuck request was not answered in the end")
            wire.close()

    def watch(self, prometheus):
        before = self.total(self.fetch("?format=json"))
        generator = Generator(self.server.port, self.arguments.rate)
        try:
            time.sleep(5)
            begin = time.time()
            self.disturb(begin + self.arguments.seconds)
            self.rate_of_page(generator)
            self.screenshot("under-load")
            time.sleep(2)
            end = time.time() - 1
        finally:
            generator.stop()
        time.sleep(3)
        self.judge(prometheus, generator, begin, end)
        check = subprocess.run(["promtool", "check", "metrics"], input=self.fetch("?format=prometheus"), capture_output=True,
                               text=True)
        if check.returncode != 0:
            self.problems.append(f"promtool: {check.stdout}{check.stderr}")
        told = self.total(self.fetch("?format=json")) - before
        self.near("requests in JSON", told, len(generator.answered))
        shown = self.shown(self.page("?refresh=0"), r"<dt>requests</dt><dd>(\d+)</dd>")
        self.near("requests on the page", shown - before, len(generator.answered))
        if generator.failed:
            self.problems.append(f"{len(generator.failed)} requests without an answer: {generator.failed[:3]}")

    @staticmethod
    def total(text):
        return json.loads(text)["groups"][0]["totals"]["requests"]

    def rate_of_page(self, generator):
        """Between two looks that are twenty seconds apart."""
        first = self.fetch("?refresh=0")
        begin = time.time()
        again = re.search(r'<a href="(\?refresh=0&amp;was=[^"]*)">refresh', first)[1].replace("&amp;", "&")
        time.sleep(20)
        shown = self.shown(self.page(again), r"<dt>rate</dt><dd>([\d.]+)/s")
        end = time.time()
        self.near("rate on the page", shown, generator.between(begin, end) / (end - begin))

    def judge(self, prometheus, generator, begin, end):
        span = int(end - begin)
        window = f"[{span}s]"
        up = prometheus.one(f"min_over_time(up{window})", end)
        scrapes = prometheus.one(f"count_over_time(up{window})", end)
        self.say(f"{scrapes:.0f} scrapes in {span} s")
        if up != 1 or scrapes < span * 0.9:
            self.problems.append(f"a scrape failed, or is missing (see {prometheus.log})")
        counters = '{__name__=~".*_(total|bucket|sum|count)"}'
        names = [labels["__name__"] for labels, _ in prometheus.query(f"count by (__name__) ({counters})", end)]
        resets = [(name, labels) for name in names
                  for labels, _ in prometheus.query(f"resets({name}{window}) > 0", end)]
        number = prometheus.one(f"count({counters})", end)
        self.say(f"{number:.0f} series of counters, {len(resets)} went back")
        self.problems += [f"went back: {name} {labels}" for name, labels in resets[:10]]
        self.near("rate() of all requests", prometheus.one(f"sum(rate(wsgi_requests_total{window}))", end),
                  generator.between(end - span, end) / span)
        self.near("rate() of the histogram's count",
                  prometheus.one(f"sum(rate(http_server_request_duration_seconds_count{window}))", end),
                  generator.between(end - span, end) / span)
        told = prometheus.one(f'sum(increase(wsgi_requests_total{{status_class="5xx"}}{window}))', end)
        self.say(f"5xx: {told:.1f} by increase(), {generator.between(end - span, end, '5')} at the load generator")
        stops = prometheus.one(f'sum(increase(wsgi_process_stops_total{{reason="crash"}}{window}))', end)
        self.say(f"crashes: {stops:.1f} by increase()")
        self.dashboard(prometheus, end)
        errors = [line for line in prometheus.log.read_text().splitlines() if "level=error" in line or "level=warn" in line]
        self.problems += [f"prometheus says: {line}" for line in errors[:5]]


    def dashboard(self, prometheus, moment):
        """Every query of the Grafana dashboard has an answer; those of the alerts can be asked."""
        folder = TREE / "examples/observability"
        panels = json.loads((folder / "grafana.json").read_text())["panels"]
        shown = [target["expr"] for panel in panels for target in panel["targets"]]
        alerts = re.findall(r"expr: (.+)", (folder / "alerts.yml").read_text())
        empty = 0
        for query in shown + alerts:
            text = query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$group", ".*")
            try:
                rows = prometheus.query(text, moment)
            except OSError as error:
                self.problems.append(f"{query}: {error}")
                continue
            empty += not rows
            if not rows and query in shown and "> 0" not in query:
                self.problems.append(f"no answer to {query}")
        self.say(f"{len(shown)} queries of the dashboard and {len(alerts)} of the alerts asked, {empty} without an answer")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--screenshots", default=str(TREE / "build/screenshots"))
    parser.add_argument("--library", default=str(TREE / "build/lib"))
    arguments = parser.parse_args()
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        print("observability: skipped: Prometheus is not installed (apt-get install prometheus)")
        return
    trial = Trial(arguments)
    trial.run()
    for text in trial.problems:
        print(f"observability: PROBLEM: {text}")
    print(f"observability: {len(trial.problems)} problems" + (f"; kept: {trial.server.root}" if trial.problems else ""))
    if not trial.problems:
        shutil.rmtree(trial.server.root)
    sys.exit(1 if trial.problems else 0)


if __name__ == "__main__":
    main()
