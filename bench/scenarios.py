"""The scenarios: what is asked of a server, and one round of each."""

import os
import socket
import subprocess
import time
import typing

import measure
import websocket
from servers import ASGI_NAMES, ROOT, venv

BENCH = ROOT / "bench"


class Load(typing.NamedTuple):
    """What wrk is told: application file, path, connections, further arguments."""

    app: str
    path: str
    connections: int
    extra: list


def script(name):
    return ["-s", str(BENCH / name)]


SCENARIOS = {
    "hello": Load("scenarios.py", "/hello", 16, []),
    "headers": Load("scenarios.py", "/hello", 16, script("headers.lua")),
    "latency": Load("scenarios.py", "/hello", 1, []),
    "django": Load("site.py", "/django", 16, []),
    "compute": Load("scenarios.py", "/compute", 16, []),
    "upload": Load("scenarios.py", "/upload", 16, script("upload.lua")),
    "response": Load("scenarios.py", "/response", 16, []),
    "blocks": Load("scenarios.py", "/blocks", 16, []),
    "file": Load("scenarios.py", "/file", 4, []),
    "sleep": Load("scenarios.py", "/sleep", 16, []),
    "mixed": Load("scenarios.py", "/hello", 2, script("short.lua")),
    "flood": Load("scenarios.py", "/hello", 2, script("short.lua")),
    "cold": Load("scenarios.py", "/hello", 1, []),
    "cold-django": Load("site.py", "/django", 1, []),
    "idle": Load("scenarios.py", "/hello", 1, []),
    "reload": Load("scenarios.py", "/hello", 16, []),
    "touch": Load("scenarios.py", "/hello", 16, []),
    "asgi-hello": Load("asgi.py", "/hello", 16, []),
    "asgi-json": Load("asgi.py", "/json", 16, []),
    "websocket": Load("asgi.py", "/hello", 16, []),
}

#: one sentence each, for the tables
ABOUT = {
    "hello": "13 bytes, 16 kept-alive connections",
    "headers": "hello with 200 request headers (LimitRequestFields is raised for it)",
    "latency": "hello over one connection",
    "django": "a page with a template of 40 rows",
    "compute": "1 ms of Python code",
    "upload": "1 MiB of request body, read by the application",
    "response": "1 MiB in one block",
    "blocks": "256 blocks of 4 KiB, yielded",
    "file": "16 MiB by wsgi.file_wrapper, 4 connections",
    "sleep": "20 ms of sleep",
    "mixed": "8 connections with 20 ms of sleep and 1 ms of computing in turn; beside them short requests, 2 connections "
             "with pauses of 5 ms. Latencies are those of the short ones",
    "flood": "6 connections with 100 ms of computing each; beside them short requests as in mixed, whose latencies these are",
    "cold": "start: from the start of the server to the first 200. First request: after one second of idleness",
    "cold-django": "the same for the Django page",
    "idle": "one request, then nothing: memory and wake-ups per second of the whole server. python3 alone: a Python that has "
            "read the same file and waits",
    "reload": "hello while the server is told to restart gracefully every second (with `--mpm debian` at least)",
    "touch": "hello while the application's file is touched every second",
    "asgi-hello": "13 bytes from an ASGI application, 16 kept-alive connections",
    "asgi-json": "1.2 KiB of JSON, made by an ASGI application",
    "websocket": "16 WebSockets, each with a text of 32 bytes on its way there and back; the client is Python",
}

#: what runs beside the short requests: path, connections, arguments of wrk
BESIDE = {"mixed": ("/sleep", 8, script("mixed.lua")), "flood": ("/flood", 6, [])}

#: in these the floor has nothing to be compared with: its CPU is not asked for, or there is no application to touch
NO_FLOOR = ("mixed", "flood", "cold-django", "touch")
#: seconds of nothing, in the scenario "idle"
IDLE = 5


def applies(name, server):
    """Whether a server takes part in a scenario: threads=1 is compared in few."""
    if (server in ASGI_NAMES) != (SCENARIOS[name].app == "asgi.py"):
        return False
    if server == "floor":
        return name not in NO_FLOOR
    if server == "ours-daemon-1":
        return name in ("hello", "django", "compute")
    return name != "touch" or server.endswith(("-daemon", "-embedded"))


def run(name, server, seconds):
    """One round: starts the server, measures, stops it. The row of numbers."""
    try:
        row = ROUNDS.get(name, load)(name, server, seconds)
        return row
    finally:
        server.stop()


def load(name, server, seconds):
    _, path, connections, extra = SCENARIOS[name]
    server.start(path)
    measure.wrk(server, path, connections, 1, extra)
    row = measure.wrk(server, path, connections, seconds, extra)
    time.sleep(1)
    row.update(server.memory())
    return row


def sockets(name, server, seconds):
    """Messages over WebSockets, after a warm-up."""
    server.start(SCENARIOS[name].path)
    websocket.echo(server, SCENARIOS[name].connections, 1)
    row = websocket.echo(server, SCENARIOS[name].connections, seconds)
    row.update(server.memory())
    return row


def beside(name, server, seconds):
    """Short requests, measured, beside others that only keep the server at work."""
    _, path, connections, extra = SCENARIOS[name]
    other_path, other_connections, other_extra = BESIDE[name]
    server.start(path)
    seconds, noise = max(seconds, 3), measure.Noise(server)
    command = measure.wrk_command(server, other_path, other_connections, seconds + 2, other_extra)
    others = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    row = measure.wrk(server, path, connections, seconds, extra)
    found = measure.parse_wrk(others.communicate()[0])
    row.update(noise.stop(), others=found["rate"])
    if found["problems"]:
        row["problems"] = (row["problems"] + "; others: " + found["problems"]).lstrip("; ")
        row["errors"] += found["errors"]
    return row


def cold(name, server, _seconds):
    """Milliseconds from the start of the server to its first 200; and of a first request to an idle server."""
    path, noise, began = SCENARIOS[name].path, measure.Noise(), time.perf_counter()
    server.launch()
    wait_for(lambda: status(server.port, path) == 200)
    row = {"start": (time.perf_counter() - began) * 1e3, "errors": 0, "problems": ""}
    server.stop()
    server.launch()
    wait_for(lambda: connect(server.port).close() or True)
    time.sleep(1)
    began = time.perf_counter()
    code = status(server.port, path)
    row["first"] = (time.perf_counter() - began) * 1e3
    if code != 200:
        row.update(problems="first request: status %s" % code, errors=1)
    server.stop()  # so that its CPU time is ours when the noise is computed
    row.update(noise.stop())
    return row


def idle(name, server, _seconds):
    """Memory of a server that has answered once, and how often it wakes up without a reason."""
    server.start(SCENARIOS[name].path)
    time.sleep(2)
    row = {"errors": 0, "problems": "", **server.memory()}
    noise, before = measure.Noise(server), measure.wakeups(server.pids())
    time.sleep(IDLE)
    row["wakeups"] = (measure.wakeups(server.pids()) - before) / IDLE
    row.update(noise.stop())
    server.stop()  # what Pythons share would be divided among them
    if row["pss_daemon"]:
        row["python3"] = measure.idle_python(venv() / "bin/python3", server.script)
    return row


def wait_for(condition, limit=30):
    deadline = time.perf_counter() + limit
    while time.perf_counter() < deadline:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.002)
    raise RuntimeError("nothing answered within %d s" % limit)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def status(port, path):
    """The status of one request on a connection of its own."""
    with connect(port) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode())
        answer = b""
        while b"\r\n" not in answer:
            data = connection.recv(65536)
            if not data:
                raise OSError("closed without an answer")
            answer += data
        return int(answer.split()[1])


def disturbed(name, server, seconds):
    """wrk while something happens to the server every second."""
    _, path, connections, extra = SCENARIOS[name]
    server.start(path)
    seconds, noise, before, began = max(seconds, 5), measure.Noise(server), server.cpu(), time.time()
    wrk = subprocess.Popen(measure.wrk_command(server, path, connections, seconds, extra), stdout=subprocess.PIPE,
                           text=True)
    for _ in range(seconds - 1):
        time.sleep(1)
        if name == "touch":
            os.utime(server.script)
        else:
            server.reload()
    row = measure.parse_wrk(wrk.communicate()[0])
    cpu, wall = server.cpu() - before, time.time() - began
    row.update(noise.stop(), cpu=cpu / max(row["requests"], 1) * 1e6, busy=cpu / wall)
    return row


ROUNDS = {"mixed": beside, "flood": beside, "cold": cold, "cold-django": cold, "idle": idle, "reload": disturbed,
          "touch": disturbed, "websocket": sockets}
