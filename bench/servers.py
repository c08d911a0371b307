"""The servers that are compared: how each is configured, started, reloaded and stopped."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import measure

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = pathlib.Path(os.environ.get("MOD_WSGI_BENCH_WORK", "/var/tmp/mod-wsgi-bench"))
APACHE = os.environ.get("HTTPD", "/usr/sbin/apache2")
MODULES = os.environ.get("HTTPD_MODULES", "/usr/lib/apache2/modules")

#: name: what it is. All that `--servers` knows, in the order of the tables.
NAMES = {
    "ours-daemon": "this project, daemon mode",
    "ours-daemon-1": "this project, daemon mode with threads=1",
    "4.9-daemon": "the distribution's mod_wsgi 4.9.4, daemon mode",
    "6.1.1-daemon": "mod_wsgi 6.1.1 from PyPI, daemon mode",
    "ours-embedded": "this project, embedded mode",
    "4.9-embedded": "the distribution's mod_wsgi 4.9.4, embedded mode",
    "6.1.1-embedded": "mod_wsgi 6.1.1 from PyPI, embedded mode",
    "uwsgi": "httpd, mod_proxy_uwsgi, UNIX socket, uWSGI",
    "gunicorn": "httpd, mod_proxy_http, UNIX socket, gunicorn (gthread)",
    "granian": "granian alone, without httpd",
    "ours-asgi": "this project, daemon mode, ASGI",
    "uvicorn": "httpd, mod_proxy_http, UNIX socket, uvicorn (uvloop, httptools)",
    "granian-asgi": "httpd, mod_proxy_http, UNIX socket, granian (uvloop)",
    "floor": "httpd alone: a module of 80 lines (bench/floor) drops bodies and answers from memory; file is a static file",
}

#: those that run ASGI applications
ASGI_NAMES = ("ours-asgi", "uvicorn", "granian-asgi")

#: `--mpm`: the lines about processes and threads of the event MPM
MPM = {
    "single": "StartServers 1\nServerLimit 1\nThreadsPerChild 25\nMaxRequestWorkers 25\nThreadLimit 25\n",
    "debian": "StartServers 2\nMinSpareThreads 25\nMaxSpareThreads 75\nThreadLimit 64\nThreadsPerChild 25\n"
              "MaxRequestWorkers 150\n",  # Debian's mods-available/mpm_event.conf
    "default": "",  # what httpd has compiled in: three children of 25 threads at the start
}

HTTPD_CONF = """\
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile httpd.pid
ErrorLog error.log
LogLevel warn
{identity}LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
{mpm}MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 30
LimitRequestFields 250
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all granted
</Directory>
{lines}
"""


class Server:
    """One server under one configuration. With a `backend` command, two programs: httpd in front of the backend."""

    def __init__(self, name, command, port, cwd, backend=None, script=None):
        self.name, self.command, self.port, self.cwd = name, command, port, cwd
        self.commands = [command] + ([backend] if backend else [])
        self.script = script  # the file whose change reloads the application, where the server looks at it
        self.processes = []

    @property
    def process(self):
        """The main process: httpd, where there is one."""
        return self.processes[0] if self.processes else None

    def launch(self):
        with open(self.cwd / "out.log", "ab") as log:
            for command in self.commands:
                self.processes.append(subprocess.Popen(command, cwd=self.cwd, stdout=log, stderr=log,
                                                       stdin=subprocess.DEVNULL, start_new_session=True))

    def start(self, path):
        """Starts, and returns once `path` is answered."""
        self.launch()
        deadline, last = time.time() + 20, None
        while time.time() < deadline:
            try:
                self.get(path)
                return
            except OSError as error:
                last = error
                time.sleep(0.1)
        self.stop()
        raise RuntimeError("%s does not answer (%s); see error.log and out.log in %s" % (self.name, last, self.cwd))

    def get(self, path):
        data = b"x" if path == "/upload" else None
        return urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.port, path), data, timeout=5).read()

    def reload(self):
        """What an administrator does to load new code: graceful restart of httpd, SIGHUP to the others."""
        for process, command in zip(self.processes, self.commands):
            process.send_signal(signal.SIGUSR1 if command[0] == APACHE else signal.SIGHUP)

    def pids(self):
        """The whole tree, also what has its own session."""
        return measure.tree(*(process.pid for process in self.processes))

    def cpu(self):
        return measure.cpu_seconds(self.pids())

    def memory(self):
        return measure.memory_by_role(self.pids(), self.process.pid)

    def pss(self):
        return self.memory()["pss"]

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self.processes:
            time.sleep(0.3)
        self.processes = []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run_folder(name):
    runs = WORK / "run"
    runs.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=runs))
    folder.chmod(0o755)
    return folder


def apache(name, lines, options, folder=None, **more):
    """httpd with the given lines; the same for all but those lines."""
    port, folder = free_port(), folder or run_folder(name)
    identity = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
    conf = HTTPD_CONF.format(folder=folder, port=port, modules=MODULES, lines=lines, identity=identity,
                             mpm=MPM[getattr(options, "mpm", "single")])
    (folder / "httpd.conf").write_text(conf)
    command = [APACHE, "-d", str(folder), "-f", str(folder / "httpd.conf"), "-DFOREGROUND"]
    return Server(name, command, port, folder, **more)


def wsgi_lines(module, app, mode, threads, python_home):
    lines = "LoadModule wsgi_module %s\nWSGISocketPrefix wsgi\n" % module
    if mode == "daemon":
        lines += "WSGIDaemonProcess bench threads=%d python-home=%s display-name=bench-daemon\n" % (
            threads, python_home)
        lines += "WSGIScriptAlias / %s process-group=bench application-group=%%{GLOBAL}\n" % app
        lines += "WSGIRestrictEmbedded On\n"
    else:
        lines += "WSGIPythonHome %s\n" % python_home
        lines += "WSGIScriptAlias / %s process-group=%%{GLOBAL} application-group=%%{GLOBAL}\n" % app
    return lines


def mod_wsgi(name, app, options):
    subject, mode, *fewer = name.split("-")
    module = {"ours": lambda: WORK / "lib/mod_wsgi.so", "6.1.1": lambda: control("original"),
              "4.9": lambda: control("original-4.9")}[subject]()
    threads = int(fewer[0]) if fewer else options.threads
    return apache(name, wsgi_lines(module, app, mode, threads, venv()), options, script=app)


def floor(name, _app, options):
    static = WORK / "static"
    static.mkdir(exist_ok=True)
    if not (static / "file").exists():
        (static / "file").symlink_to(WORK / "16m.bin")
    lines = "LoadModule floor_module %s\nAlias / %s/\nEnableSendfile On\n" % (floor_module(), static)
    lines += "<Location />\n    SetHandler floor\n</Location>\n<Location /file>\n    SetHandler None\n</Location>\n"
    return apache(name, lines, options)


def floor_module():
    """The path of bench/floor, built."""
    folder, source = WORK / "floor", ROOT / "bench/floor/mod_floor.c"
    module, copy = folder / ".libs/mod_floor.so", folder / source.name
    if not module.exists() or copy.read_bytes() != source.read_bytes():
        folder.mkdir(exist_ok=True)
        shutil.copyfile(source, copy)
        with open(folder / "apxs.log", "w") as log:
            subprocess.run(["apxs", "-c", source.name], cwd=folder, check=True, stdout=log, stderr=log)
    return module


def uwsgi(name, app, options):
    folder = run_folder(name)
    backend = [str(venv() / "bin/uwsgi"), "--socket", str(folder / "back.sock"), "--chmod-socket=666",
               "--wsgi-file", str(app), "--threads", str(options.threads), "--enable-threads", "--master",
               "--die-on-term", "--disable-logging", "--listen", "100", "--buffer-size", "32768",
               "--max-vars", "300"]
    return behind_proxy(name, "uwsgi", folder, backend, options)


def gunicorn(name, app, options):
    folder = run_folder(name)
    (folder / "benchmarked.py").symlink_to(app)
    backend = [str(venv() / "bin/gunicorn"), "--bind", "unix:%s" % (folder / "back.sock"), "--umask", "0",
               "--worker-class", "gthread", "--workers", "1", "--threads", str(options.threads), "--keep-alive", "60",
               "--limit-request-fields", "250", "--log-level", "warning", "--no-control-socket", "benchmarked:application"]
    return behind_proxy(name, "http", folder, backend, options)


def behind_proxy(name, scheme, folder, backend, options):
    lines = "LoadModule proxy_module %s/mod_proxy.so\nLoadModule proxy_%s_module %s/mod_proxy_%s.so\n" % (
        MODULES, scheme, MODULES, scheme)
    upgrade = " upgrade=websocket" if name in ASGI_NAMES else ""
    lines += 'ProxyPass / "unix:%s/back.sock|%s://localhost/" retry=0%s\n' % (folder, scheme, upgrade)
    return apache(name, lines, options, folder, backend=backend)


def granian(name, app, options):
    folder, port = run_folder(name), free_port()
    (folder / "benchmarked.py").symlink_to(app)
    command = [str(venv() / "bin/granian"), "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
               "--workers", "1", "--blocking-threads", str(options.threads), "--no-ws", "--log-level", "warning",
               "--working-dir", str(folder), "benchmarked:application"]
    return Server(name, command, port, folder)


def ours_asgi(name, app, options):
    lines = wsgi_lines(WORK / "lib/mod_wsgi.so", app, "daemon", options.threads, venv())
    lines = lines.replace("display-name=bench-daemon", "display-name=bench-daemon interface=asgi")
    return apache(name, lines, options, script=app)


def uvicorn(name, app, options):
    folder = run_folder(name)
    (folder / "benchmarked.py").symlink_to(app)
    backend = [str(venv() / "bin/uvicorn"), "--uds", str(folder / "back.sock"), "--workers", "1", "--no-access-log",
               "--log-level", "warning", "--ws", "websockets-sansio", "--ws-per-message-deflate", "false",
               "benchmarked:application"]
    return behind_proxy(name, "http", folder, backend, options)


def granian_asgi(name, app, options):
    folder = run_folder(name)
    (folder / "benchmarked.py").symlink_to(app)
    backend = [str(venv() / "bin/granian"), "--interface", "asgi", "--uds", str(folder / "back.sock"),
               "--uds-permissions", "0o777", "--workers", "1", "--loop", "uvloop", "--log-level", "warning",
               "--working-dir", str(folder), "benchmarked:application"]
    return behind_proxy(name, "http", folder, backend, options)


MAKERS = {"ours-asgi": ours_asgi, "uvicorn": uvicorn, "granian-asgi": granian_asgi,
          "uwsgi": uwsgi, "gunicorn": gunicorn, "granian": granian, "floor": floor}


def servers(wanted, app_name, options):
    """The servers by name, not yet started. One that cannot be had here is left out, and said so."""
    made = {}
    for name in wanted:
        try:
            made[name] = MAKERS.get(name, mod_wsgi)(name, WORK / "apps" / app_name, options)
        except (OSError, subprocess.CalledProcessError) as error:
            print("bench: leaving out %s: %s" % (name, error), file=sys.stderr)
    return made


_paths = {}


def control(which):
    """The mod_wsgi.so to compare with, from scripts/controls.sh (which installs it once)."""
    return _script_path("controls.sh", which)


def venv():
    """The virtual environment of bench/requirements.txt, in the cache folder."""
    return _script_path("venv.sh", str(ROOT / "bench"))


def _script_path(script, argument):
    key = (script, argument)
    if key not in _paths:
        output = subprocess.run([str(ROOT / "scripts" / script), argument], check=True, stdout=subprocess.PIPE, text=True)
        _paths[key] = pathlib.Path(output.stdout.splitlines()[0])
    return _paths[key]


def prepare():
    """Fresh copies of applications and module where every user can read them; data files."""
    WORK.mkdir(mode=0o755, parents=True, exist_ok=True)
    for folder in ("run", "apps", "lib"):
        shutil.rmtree(WORK / folder, ignore_errors=True)
    shutil.copytree(ROOT / "bench/apps", WORK / "apps")
    shutil.copytree(ROOT / "build/lib", WORK / "lib")
    for name, size in (("16m.bin", 16 << 20), ("1m.bin", 1 << 20)):
        if not (WORK / name).exists():
            (WORK / name).write_bytes(os.urandom(size))
