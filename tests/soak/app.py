"""The application of the soak test: each request leaves its number and process in `started` before anything else."""
import ctypes
import fcntl
import hashlib
import os
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
try:
    import part  # noqa: F401  what badluck.py breaks and repairs; other runs have none
except ImportError:
    pass
STARTED = os.open(HERE + "/started", os.O_WRONLY | os.O_APPEND)
BLOCK = bytes(range(256)) * 256  # 64 KiB
BLOCKS = 32
KEPT = []


def application(environ, start_response):
    query = environ["QUERY_STRING"]
    os.write(STARTED, b"%s %d\n" % (query.encode(), os.getpid()))
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))]
    if path == "/upload":
        digest = hashlib.sha256()
        stream = environ["wsgi.input"]
        while block := stream.read(65536):
            digest.update(block)
        start_response("200 OK", headers)
        return [digest.hexdigest().encode()]
    if path == "/download":
        start_response("200 OK", headers + [("Content-Length", str(BLOCKS * len(BLOCK)))])
        return download()
    if path == "/stuck":  # keeps the GIL until nobody holds the file
        with open(HERE + "/gate") as gate:
            ctypes.PyDLL(None).flock(gate.fileno(), fcntl.LOCK_SH)
    elif path == "/long":
        time.sleep(10)
    elif path == "/descriptors":  # uses up all there are
        try:
            while True:
                KEPT.append(os.dup(0))
        except OSError:
            pass
    elif path == "/close":  # all but the one above
        os.closerange(3, STARTED)
        os.closerange(STARTED + 1, 4096)
    elif path == "/crash":
        os._exit(3)
    elif path == "/shut":
        socket.socket(fileno=os.dup(3)).shutdown(socket.SHUT_RDWR)
    elif path == "/work":
        time.sleep(0.02)
    start_response("200 OK", headers + [("Content-Length", "2")])
    return [b"ok"]


def download():
    for _ in range(BLOCKS):
        yield BLOCK
        time.sleep(0.05)
