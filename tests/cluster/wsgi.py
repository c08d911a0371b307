"""Notes each request that has an id before anything else, waits as long as the file `delay` says, and names its release."""

import os

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RELEASE = os.path.basename(os.path.dirname(os.path.realpath(__file__)))
SEEN = os.open(os.path.join(FOLDER, "seen"), os.O_WRONLY | os.O_APPEND)


def application(environ, start_response):
    name = environ["QUERY_STRING"]
    if name:
        os.write(SEEN, ("%s %d\n" % (name, os.getpid())).encode())
    body = environ["wsgi.input"].read()
    try:
        with open(os.path.join(FOLDER, "delay")) as file:
            delay = float(file.read())
    except (OSError, ValueError):
        delay = 0.02
    import time
    time.sleep(delay)
    text = ("%s %s %d\n" % (RELEASE, name, len(body))).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]
