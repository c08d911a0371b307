"""One WSGI file with every plain scenario of the benchmark; the path chooses."""

import os
import time
from wsgiref.util import FileWrapper

BLOCK_1M = b"x" * (1 << 20)
BLOCK_4K = b"y" * 4096
FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "16m.bin")


def hello(environ, start_response):
    body = b"Hello world!\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def upload(environ, start_response):
    stream, total = environ["wsgi.input"], 0
    while True:
        data = stream.read(65536)
        if not data:
            break
        total += len(data)
    body = str(total).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def response(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(1 << 20))])
    return [BLOCK_1M]


def blocks(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(256 * 4096))])
    return (BLOCK_4K for _ in range(256))


def file(environ, start_response):
    size = os.path.getsize(FILE)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
    wrapper = environ.get("wsgi.file_wrapper", FileWrapper)  # granian has none
    return wrapper(open(FILE, "rb"), 65536)


def sleep(environ, start_response):
    time.sleep(0.02)
    return hello(environ, start_response)


def long(environ, start_response):
    time.sleep(10)
    return hello(environ, start_response)


def compute(environ, start_response):
    deadline = time.thread_time() + 0.001
    while time.thread_time() < deadline:
        pass
    return hello(environ, start_response)


def flood(environ, start_response):
    deadline = time.thread_time() + 0.1
    while time.thread_time() < deadline:
        pass
    return hello(environ, start_response)


PATHS = {
    "/hello": hello, "/upload": upload, "/response": response, "/blocks": blocks, "/file": file, "/sleep": sleep,
    "/compute": compute, "/flood": flood, "/long": long,
}


def application(environ, start_response):
    return PATHS[environ["PATH_INFO"]](environ, start_response)
