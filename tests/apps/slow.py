# Takes as long as the path says, at the place that it names.
import ctypes
import time


def rest(seconds):
    time.sleep(seconds)


def lock(seconds):
    # PyDLL keeps the GIL.
    ctypes.PyDLL(None).sleep(int(seconds))


def loop(seconds):
    while True:
        pass


def read(environ):
    return environ["wsgi.input"].read()


def application(environ, start_response):
    _, what, seconds = environ["PATH_INFO"].split("/")
    if what == "read":
        read(environ)
    else:
        globals()[what](float(seconds))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
