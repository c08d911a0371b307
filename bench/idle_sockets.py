#!/usr/bin/env python3
"""What open WebSockets cost: starts an httpd of 400 threads with a WSGI and an ASGI group, measures the latency of WSGI
requests without and with thousands of idle WebSockets, and the memory of the process that holds these.

    bench/idle_sockets.py [--sockets 5000] [--seconds 10] [--module build/lib/mod_wsgi.so]
"""

import argparse
import http.client
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import tempfile
import time

CONFIGURATION = """
ServerRoot {root}
PidFile {root}/pid
ErrorLog {root}/error
LogLevel warn
Listen 127.0.0.1:{port}
ServerName localhost
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {module}
WSGISocketPrefix {root}/wsgi
WSGIRestrictEmbedded On
WSGIDaemonProcess wsgi processes=1 threads=15
WSGIDaemonProcess asgi processes=1 threads=1 interface=asgi max-websockets=100000
WSGIScriptAlias /ws {root}/app/sockets.py process-group=asgi
WSGIScriptAlias / {root}/app/hello.py process-group=wsgi
<Directory {root}/app>
Require all granted
</Directory>
"""
HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"hello\\n"]
"""
SOCKETS = """
import os
async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(os.getpid())})
"""
OPENING = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ASK = b"\x81\x81\0\0\0\0x"


def opened(port):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(OPENING)
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(4096)
        assert more, head
        head += more
    assert b" 101 " in head, head
    return client


def latency(port, seconds):
    """Median and 99th percentile of requests one after the other on four kept connections, ms."""
    pace, taken = 0.002, []
    connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(4)]
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        connection = connections[number % 4]
        number += 1
        began = time.perf_counter()
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        taken.append(time.perf_counter() - began)
        time.sleep(pace)
    taken.sort()
    return taken[len(taken) // 2] * 1000, taken[len(taken) * 99 // 100] * 1000, len(taken)


def memory(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--module", default="build/lib/mod_wsgi.so")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, options.sockets + 1000), hard))
    root = pathlib.Path(tempfile.mkdtemp(prefix="wsgi-sockets-", dir="/var/tmp"))
    root.chmod(0o755)
    (root / "app").mkdir()
    (root / "app/hello.py").write_text(HELLO)
    (root / "app/sockets.py").write_text(SOCKETS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    modules = subprocess.check_output(["apxs", "-q", "LIBEXECDIR"], text=True).strip()
    text = CONFIGURATION.format(root=root, port=port, modules=modules, module=os.path.abspath(options.module))
    (root / "httpd.conf").write_text(text)
    program = shutil.which("apache2") or shutil.which("httpd") or "/usr/sbin/apache2"
    server = subprocess.Popen([program, "-f", str(root / "httpd.conf"), "-DFOREGROUND"])
    clients = []
    try:
        for _ in range(100):
            time.sleep(0.1)
            try:
                latency(port, 0.2)
                break
            except (OSError, AssertionError):
                pass
        clients.append(opened(port))
        clients[0].sendall(ASK)
        pid = int(clients[0].recv(100)[2:])
        latency(port, 2)
        before = latency(port, options.seconds)
        empty = memory(pid)
        began = time.monotonic()
        while len(clients) < options.sockets:
            clients.append(opened(port))
        took = time.monotonic() - began
        full = memory(pid)
        after = latency(port, options.seconds)
        alive = 0
        for client in clients:
            client.sendall(ASK)
        for client in clients:
            client.settimeout(10)
            alive += bool(client.recv(100))
        print(f"{len(clients)} WebSockets opened in {took:.1f} s; {alive} answer")
        each = (full - empty) / len(clients)
        print(f"memory of the process: {empty / 1024:.1f} MiB, then {full / 1024:.1f} MiB: {each:.1f} KiB each")
        for name, (median, worst, count) in (("without", before), ("with", after)):
            print(f"WSGI {name}: median {median:.2f} ms, p99 {worst:.2f} ms ({count} requests)")
    finally:
        for client in clients:
            client.close()
        server.terminate()
        server.wait()
        print((root / "error").read_text()[-2000:])
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
