"""An application that says who serves it, takes its time when it is asked to, and says when it ends."""

import atexit
import os
import sys
import time

atexit.register(lambda: print("the application has ended in order", file=sys.stderr, flush=True))


def application(environ, start_response):
    if environ["QUERY_STRING"].startswith("seconds="):
        time.sleep(min(float(environ["QUERY_STRING"][8:]), 20))
    body = b"Hello from user %d, Python %d.%d\n" % (os.getuid(), *sys.version_info[:2])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
