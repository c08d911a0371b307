"""A client of many WebSockets at once: each sends a text, gets it back, and sends the next."""

import socket
import statistics
import time

import measure

HANDSHAKE = (b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
TEXT = b"a message of thirty-two letters."
#: what is sent (masked by zeroes) and what comes back
SENT = bytes([0x81, 0x80 | len(TEXT)]) + bytes(4) + TEXT
BACK = bytes([0x81, len(TEXT)]) + TEXT


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(HANDSHAKE)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = connection.recv(1)
        if not part:
            raise OSError("closed during the handshake: %r" % head)
        head += part
    if not head.startswith(b"HTTP/1.1 101"):
        raise OSError("no WebSocket: %r" % head[:60])
    return connection


def echo(server, connections, seconds):
    """One run, as measure.wrk: a request is a message there and back."""
    sockets = [connect(server.port) for _ in range(connections)]
    noise, before, began = measure.Noise(server), server.cpu(), time.time()
    count, errors, times, end = 0, 0, [], time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        for one in sockets:
            one.send(SENT)
        for one in sockets:
            got = one.recv(len(BACK))
            while len(got) < len(BACK):
                part = one.recv(len(BACK) - len(got))
                if not part:
                    raise OSError("a WebSocket has ended")
                got += part
            errors += got != BACK
        count += len(sockets)
        times.append((time.perf_counter() - now) * 1e6)
    cpu, wall = server.cpu() - before, time.time() - began
    for one in sockets:
        one.close()
    times.sort()
    row = {"requests": count, "rate": count / wall, "p50": statistics.median(times),
           "p99": times[int(len(times) * 0.99)], "errors": errors, "problems": "%d wrong answers" % errors if errors else ""}
    row.update(cpu=cpu / max(count, 1) * 1e6, busy=cpu / wall, **noise.stop())
    return row
