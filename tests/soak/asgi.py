#!/usr/bin/env python3
"""Graceful restarts of an httpd with WebSockets, event streams and short requests open all the time.

No request may be lost and no stream cut: each is longer than many restarts and comes whole. Each WebSocket, handed over
or relayed by httpd, is closed with 1012 when its process is replaced, by no other code, and opened again at once.
Descriptors, memory, mappings and threads of httpd's parent and the supervisor stay as they are, and nothing is left
behind. `--streams N` instead asks how many event streams a default httpd holds beside short requests."""

import argparse
import http.client
import resource
import shutil
import socket
import statistics
import struct
import sys
import threading
import time

import soak
from soak import HERE, Sizes, descendants, wait

#: events of a stream, four a second
EVENTS = 32
HANDSHAKE = (b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
PROXY = b"PROXY TCP4 192.0.2.1 127.0.0.1 1000 80\r\n"


class Server(soak.Server):
    """One group of two processes that run an ASGI application; at a second port httpd relays WebSockets."""

    def __init__(self, mpm, library, is_default=False):
        self.is_default = is_default
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.relayed_port = probe.getsockname()[1]
        super().__init__(mpm, library)

    def configuration(self):
        shutil.copy(HERE / "streams_app.py", self.script)
        text = super().configuration()
        for old, new in (("processes=3 threads=12", "processes=2 threads=4 interface=asgi"),
                         ("MaxRequestWorkers 120", "MaxRequestWorkers 1200")):
            text = text.replace(old, new)
        if self.is_default:
            limits = ("ServerLimit", "ThreadsPerChild", "MaxRequestWorkers", "StartServers", "MaxSpareThreads")
            return "\n".join(line for line in text.splitlines() if not line.startswith(limits))
        modules = soak.apxs("LIBEXECDIR")
        return text + (f"LoadModule remoteip_module {modules}/mod_remoteip.so\nListen 127.0.0.1:{self.relayed_port}\n"
                       f"<VirtualHost *:{self.relayed_port}>\nRemoteIPProxyProtocol On\n</VirtualHost>\n")


class Socket:
    """A WebSocket's client."""

    def __init__(self, port, is_relayed):
        self.wire = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.wire.sendall((PROXY if is_relayed else b"") + HANDSHAKE)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.exactly(1)
        if not head.startswith(b"HTTP/1.1 101"):
            raise OSError("no WebSocket: %r" % head[:60])

    def exactly(self, count):
        got = b""
        while len(got) < count:
            part = self.wire.recv(count - len(got))
            if not part:
                raise OSError("a WebSocket has ended without a close frame")
            got += part
        return got

    def echo(self, text):
        """Sends a text and waits for it. None, or the code with which the WebSocket was closed."""
        try:
            self.wire.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what was received before is there
        while True:
            kind, length = self.exactly(2)
            payload = self.exactly(length)
            if kind == 0x81:
                if payload != text:
                    raise OSError("wrong text: %r" % payload)
                return None
            if kind == 0x88:
                self.wire.close()
                return struct.unpack("!H", payload[:2])[0]


class Load:
    """Clients that ask without pause, and what went wrong."""

    def __init__(self, server, streams, sockets):
        self.server, self.over, self.lock = server, threading.Event(), threading.Lock()
        self.counts, self.problems = {}, []
        kinds = [self.plain] * 4 + [self.stream] * streams
        kinds += [lambda: self.websocket(False)] * sockets + [lambda: self.websocket(True)] * (sockets // 4)
        self.threads = [threading.Thread(target=self.guarded, args=(kind,)) for kind in kinds]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def guarded(self, kind):
        while not self.over.is_set():
            try:
                kind()
            except (OSError, http.client.HTTPException) as error:
                with self.lock:
                    self.problems.append("%s %s" % (time.strftime("%H:%M:%S"), repr(error)))
                time.sleep(0.1)

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def fetch(self, path):
        wire = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        wire.request("GET", path)
        answer = wire.getresponse()
        text = answer.read()
        wire.close()
        if answer.status != 200:
            raise OSError("%s: status %d" % (path, answer.status))
        return text

    def plain(self):
        self.fetch("/")
        self.count("short requests")
        time.sleep(0.02)

    def stream(self):
        events = self.fetch("/stream?%d" % EVENTS).decode().split()[1::2]
        if events != [str(number) for number in range(EVENTS)] + ["over"]:
            raise OSError("a stream was cut: %r" % events[-3:])
        self.count("streams")

    def websocket(self, is_relayed):
        client = Socket(self.server.relayed_port if is_relayed else self.server.port, is_relayed)
        self.count("WebSockets relayed" if is_relayed else "WebSockets handed over")
        while not self.over.is_set():
            code = client.echo(b"%d" % time.monotonic_ns())
            if code is not None:
                if code != 1012:
                    raise OSError("a WebSocket was closed with %d" % code)
                return self.count("closed with 1012")
            self.count("messages")
            time.sleep(0.05)
        client.wire.close()


def restarts(arguments, mpm):
    """The soak itself; whether all was well."""
    server = Server(mpm, arguments.library)
    samples, start = {"parent": [], "supervisor": []}, time.monotonic()
    load = Load(server, 12, 16)
    try:
        for number in range(arguments.graceful):
            server.graceful()
            time.sleep(0.3)
            if number >= min(10, arguments.graceful // 2):
                samples["parent"].append(Sizes(server.pid))
                samples["supervisor"].append(Sizes(server.supervisor()))
        time.sleep(1)
    finally:
        load.stop()
    # Two processes, and what httpd has; the old ones go with their last stream.
    wait(lambda: len(server.status()["groups"][0]["processes"]) == 2, 30)
    family = len(descendants(server.pid))
    problems = load.problems + ["left behind: %s" % what for what in server.stop()]
    edge = max(len(samples["parent"]) // 8, 1)
    for who, sizes in samples.items():
        for what, allowed in (("rss", 0.03), ("descriptors", 8), ("mappings", 8), ("threads", 0)):
            first, last = (statistics.median(getattr(size, what) for size in part) for part in (sizes[:edge], sizes[-edge:]))
            print("%s: %s: %s %g at first, %g in the end" % (mpm, who, what, first, last))
            if last > (first * (1 + allowed) if what == "rss" else first + allowed):
                problems.append("%s: %s grew from %g to %g" % (who, what, first, last))
    counts = ", ".join("%d %s" % (count, what) for what, count in sorted(load.counts.items()))
    print("%s: %d graceful restarts in %.0f s: %s; %d processes in the end; %d problems" % (
        mpm, arguments.graceful, time.monotonic() - start, counts, family, len(problems)), flush=True)
    return finished(server, problems)


def streams(arguments):
    """How many streams a default httpd holds, and what short requests take beside them."""
    server = Server("event", arguments.library, is_default=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, arguments.streams + 500)), hard))
    wires, begun, quick = [], 0, 0
    for _ in range(arguments.streams):
        wire = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        wire.sendall(b"GET /stream?120 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        wires.append(wire)
        if len(wires) == arguments.streams // 2:
            quick = timed(server)
    time.sleep(3)
    for wire in wires:
        wire.settimeout(0.01)
        try:
            begun += bool(wire.recv(10))
        except TimeoutError:
            pass
    print("%d streams asked for, %d have begun; a short request beside half of them: median %.1f ms" % (
        arguments.streams, begun, quick), flush=True)
    whole = 0
    for wire in wires:
        wire.settimeout(90)
        last = text = b" "
        while text:
            text = wire.recv(65536)
            last = (last + text)[-40:]
        whole += b"data: over" in last
    print("%d of them came whole, those that waited after the others" % whole)
    return finished(server, ["left behind: %s" % what for what in server.stop()] + [
        "%d streams were cut" % (len(wires) - whole)] * (whole < len(wires)))


def timed(server):
    """Median of 50 short requests, ms."""
    taken = []
    for _ in range(50):
        began = time.perf_counter()
        server.get("/")
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def finished(server, problems):
    log = server.log_text()
    bad = [line for line in log.splitlines() if any(word in line for word in (":error]", ":crit]", "panicked"))]
    # That httpd has no thread left is what `--streams` is about.
    problems += [line for line in bad if "AH00484" not in line and "AH10159" not in line]
    if problems:
        print("\n".join(problems[:40]), "\nkept: %s" % server.root)
    else:
        shutil.rmtree(server.root)
    return not problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpm", default="event")
    parser.add_argument("--graceful", type=int, default=100)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--library", default=str(soak.TREE / "build/lib"))
    arguments = parser.parse_args()
    if arguments.streams:
        sys.exit(0 if streams(arguments) else 1)
    good = True
    for mpm in filter(None, arguments.mpm.split(",")):
        good &= restarts(arguments, mpm)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
