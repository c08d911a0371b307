"""Says which Python answers."""

import sys


def application(environ, start_response):
    body = ("%s runs Python %d.%d.%d\n" % ((environ["mod_wsgi.process_group"],) + sys.version_info[:3])).encode("ascii")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
