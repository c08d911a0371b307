"""The smallest useful application: it says which Python and which process served the request."""

import os
import sys


def application(environ, start_response):
    text = "Hello, world!\n\nPython %s\nprefix %s\nprocess %d of group %r\npath %s\n" % (
        sys.version.split()[0],
        sys.prefix,
        os.getpid(),
        environ["mod_wsgi.process_group"],
        environ["PATH_INFO"],
    )
    body = text.encode("utf-8")
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
