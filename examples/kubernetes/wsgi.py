"""Says which pod answers."""

import os


def application(environ, start_response):
    body = ("pod %s, process %d\n" % (os.uname().nodename, os.getpid())).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
