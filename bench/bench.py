#!/usr/bin/env python3
"""Side-by-side benchmark: starts each server in turn, drives it with wrk in interleaved rounds, prints medians,
server CPU per request over the whole process tree, memory (PSS), and ratios. See docs/benchmarks.md."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = pathlib.Path(os.environ.get("MOD_WSGI_BENCH_WORK", "/var/tmp/mod-wsgi-bench"))
MODULES = "/usr/lib/apache2/modules"
APACHE = "/usr/sbin/apache2"
TICK = os.sysconf("SC_CLK_TCK")

#: name, application file, path, wrk connections, extra wrk arguments, extra server options
SCENARIOS = {
    "hello": ("scenarios.py", "/hello", 16, []),
    "headers": ("scenarios.py", "/hello", 16, ["-s", str(ROOT / "bench/headers.lua")]),
    "latency": ("scenarios.py", "/hello", 1, []),
    "django": ("site.py", "/django", 16, []),
    "compute": ("scenarios.py", "/compute", 16, []),
    "upload": ("scenarios.py", "/upload", 16, ["-s", str(ROOT / "bench/upload.lua")]),
    "response": ("scenarios.py", "/response", 16, []),
    "blocks": ("scenarios.py", "/blocks", 16, []),
    "file": ("scenarios.py", "/file", 4, []),
    "sleep": ("scenarios.py", "/sleep", 16, []),
    "mixed": ("scenarios.py", "/hello", 8, ["-s", str(ROOT / "bench/mixed.lua")]),
}


class Server:
    """One server under one configuration; `url` is valid between start() and stop()."""

    def __init__(self, name, command, port, cwd):
        self.name, self.command, self.port, self.cwd = name, command, port, cwd
        self.process = None

    def start(self, path):
        self.log = open(self.cwd / "out.log", "ab")
        self.process = subprocess.Popen(self.command, cwd=self.cwd, stdout=self.log, stderr=self.log,
                                        start_new_session=True)
        deadline = time.time() + 20
        while time.time() < deadline:
            try:
                data = b"" if path != "/upload" else b"x"
                urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.port, path), data or None, timeout=5).read()
                return
            except OSError as error:
                last = error
                time.sleep(0.1)
        print(self.name, last, file=sys.stderr)
        raise RuntimeError("%s does not answer; see %s" % (self.name, self.cwd))

    def pids(self):
        """The whole tree, also what has its own session."""
        children = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue += children.get(pid, [])
        return found

    def cpu(self):
        total = 0
        for pid in self.pids():
            try:
                fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += sum(int(n) for n in fields[11:15])
        return total / TICK

    def pss(self):
        total = 0
        for pid in self.pids():
            try:
                rollup = open("/proc/%d/smaps_rollup" % pid).read()
            except OSError:
                continue
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M).group(1))
        return total

    def stop(self):
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None
        time.sleep(0.3)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def apache(name, lines, threads):
    port, folder = free_port(), pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=WORK))
    folder.chmod(0o755)
    conf = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile httpd.pid
ErrorLog error.log
LogLevel warn
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
ThreadLimit 25
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all granted
</Directory>
{lines}
""".format(folder=folder, port=port, modules=MODULES, lines=lines)
    (folder / "httpd.conf").write_text(conf)
    return Server(name, [APACHE, "-d", str(folder), "-f", str(folder / "httpd.conf"), "-DFOREGROUND"], port, folder)


def wsgi_lines(module, app, mode, threads, python_home):
    lines = "LoadModule wsgi_module %s\n" % module
    lines += "WSGISocketPrefix wsgi\n"
    if mode == "daemon":
        home = " python-home=%s" % python_home if python_home else ""
        lines += "WSGIDaemonProcess bench threads=%d%s\n" % (threads, home)
        lines += "WSGIScriptAlias / %s process-group=bench application-group=%%{GLOBAL}\n" % app
        lines += "WSGIRestrictEmbedded On\n"
    else:
        if python_home:
            lines += "WSGIPythonHome %s\n" % python_home
        lines += "WSGIScriptAlias / %s process-group=%%{GLOBAL} application-group=%%{GLOBAL}\n" % app
    return lines


def servers(wanted, app_name, options):
    """The servers that can be started here, by name."""
    app = WORK / "apps" / app_name
    venv, threads = str(WORK / "venv"), options.threads
    controls = pathlib.Path("/var/tmp/mod-wsgi-controls")
    modules = {"ours": [WORK / "lib/mod_wsgi.so"], "6.1.1": list(controls.glob("6.1.1/**/mod_wsgi-py3*.so")),
               "4.9": list(controls.glob("4.9/**/modules/mod_wsgi.so*"))}
    made = {}
    for label, found in modules.items():
        for mode in ("daemon", "embedded"):
            name = "%s-%s" % (label, mode)
            if name in wanted and found:
                made[name] = apache(name, wsgi_lines(found[0], app, mode, threads, venv), threads)
    if "ours-daemon-1" in wanted:
        made["ours-daemon-1"] = apache("ours-daemon-1", wsgi_lines(modules["ours"][0], app, "daemon", 1, venv), 1)
    if "floor" in wanted:
        (WORK / "static").mkdir(exist_ok=True)
        (WORK / "static/hello").write_bytes(b"Hello world!\n")
        if not (WORK / "static/file").exists():
            os.symlink(WORK / "16m.bin", WORK / "static/file")
        lines = "Alias / %s/static/\nEnableSendfile On\n" % WORK
        made["floor"] = apache("floor", lines, threads)
    if "uwsgi" in wanted:
        made["uwsgi"] = behind_proxy("uwsgi", app, threads)
    return made


class Behind(Server):
    """Apache in front of another server that listens on a UNIX socket."""

    def __init__(self, front, command):
        super().__init__(front.name, front.command, front.port, front.cwd)
        self.backend_command, self.backend = command, None

    def start(self, path):
        log = open(self.cwd / "backend.log", "ab")
        self.backend = subprocess.Popen(self.backend_command, cwd=self.cwd, stdout=log, stderr=log)
        time.sleep(1.5)
        super().start(path)

    def pids(self):
        own, self_process = super().pids(), self.process
        self.process = self.backend
        try:
            return own + super().pids()
        finally:
            self.process = self_process

    def stop(self):
        super().stop()
        if self.backend:
            self.backend.send_signal(signal.SIGINT)
            try:
                self.backend.wait(10)
            except subprocess.TimeoutExpired:
                self.backend.kill()
            self.backend = None


def behind_proxy(name, app, threads):
    modules = "LoadModule proxy_module %s/mod_proxy.so\nLoadModule proxy_uwsgi_module %s/mod_proxy_uwsgi.so\n" % (
        MODULES, MODULES)
    front = apache(name, modules + 'ProxyPass / "unix:%s/back.sock|uwsgi://localhost/"\n' % "{here}", threads)
    conf = front.cwd / "httpd.conf"
    conf.write_text(conf.read_text().replace("{here}", str(front.cwd)))
    command = [str(WORK / "venv/bin/uwsgi"), "--socket", str(front.cwd / "back.sock"), "--chmod-socket=666",
               "--wsgi-file", str(app), "--threads", str(threads), "--enable-threads", "--master", "--die-on-term",
               "--disable-logging", "--listen", "100"]
    return Behind(front, command)


def wrk(server, path, connections, seconds, extra):
    command = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency", *extra,
               "http://127.0.0.1:%d%s" % (server.port, path)]
    before, began = server.cpu(), time.time()
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cpu, wall = server.cpu() - before, time.time() - began
    count = int(re.search(r"(\d+) requests in", text).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    socket_errors = re.search(r"Socket errors: (.*)", text)
    p50, p99 = (micros(re.search(r"^\s+%s%%\s+(\S+)$" % p, text, re.M).group(1)) for p in ("50", "99"))
    problems = (errors.group(0) + " " if errors else "") + (socket_errors.group(0) if socket_errors else "")
    return {"rate": rate, "cpu": cpu / max(count, 1) * 1e6, "p50": p50, "p99": p99, "busy": cpu / wall,
            "problems": problems}


def micros(text):
    for unit, factor in (("us", 1), ("ms", 1e3), ("s", 1e6), ("m", 6e7)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor
    return float(text)


def prepare():
    WORK.mkdir(mode=0o755, exist_ok=True)
    for folder in WORK.glob("*-*"):
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(WORK / "apps", ignore_errors=True)
    shutil.copytree(ROOT / "bench/apps", WORK / "apps")
    shutil.rmtree(WORK / "lib", ignore_errors=True)
    shutil.copytree(ROOT / "build/lib", WORK / "lib")
    data = WORK / "16m.bin"
    if not data.exists():
        data.write_bytes(os.urandom(16 << 20))
    venv = WORK / "venv"
    if not (venv / "bin/uwsgi").exists():
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/pip"), "install", "-q", "django<5.3", "uwsgi"], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS))
    parser.add_argument("--servers", default="ours-daemon,6.1.1-daemon,ours-embedded,6.1.1-embedded,uwsgi,floor")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    prepare()
    wanted = options.servers.split(",")
    for scenario in options.scenarios:
        app, path, connections, extra = SCENARIOS[scenario]
        table = {name: [] for name in wanted}
        memory = {}
        made = servers(wanted, app, options)
        if path not in ("/hello", "/file"):
            made.pop("floor", None)
        for _ in range(options.rounds):
            for name, server in made.items():
                try:
                    server.start(path)
                    wrk(server, path, connections, 1, extra)
                    table[name].append(wrk(server, path, connections, options.seconds, extra))
                    memory[name] = server.pss()
                finally:
                    server.stop()
        report(scenario, table, memory)


def report(scenario, table, memory):
    print("\n### %s\n" % scenario)
    print("| server | req/s | CPU µs/req | p50 ms | p99 ms | busy | PSS MB | problems |\n|---|---|---|---|---|---|---|---|")
    for name, rows in table.items():
        if rows:
            m = {key: statistics.median(row[key] for row in rows) for key in ("rate", "cpu", "p50", "p99", "busy")}
            problems = "; ".join(sorted({row["problems"] for row in rows if row["problems"]}))
            print("| %s | %.0f | %.0f | %.2f | %.2f | %.2f | %.1f | %s |" % (
                name, m["rate"], m["cpu"], m["p50"] / 1e3, m["p99"] / 1e3, m["busy"], memory[name] / 1024, problems))
    for ours, theirs in (("ours-daemon", "6.1.1-daemon"), ("ours-embedded", "6.1.1-embedded"),
                         ("ours-daemon", "uwsgi"), ("ours-daemon", "ours-daemon-1")):
        if table.get(ours) and table.get(theirs):
            def med(name, key):
                return statistics.median(row[key] for row in table[name])
            print("\n%s / %s: %.2f × req/s, %.2f × CPU, %.2f × p50" % (
                ours, theirs, med(ours, "rate") / med(theirs, "rate"), med(ours, "cpu") / med(theirs, "cpu"),
                med(ours, "p50") / med(theirs, "p50")))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
