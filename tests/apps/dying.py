# Ends, or hangs, in the way that the path asks for; with a query string its response has begun by then.
import ctypes
import os
import socket
import threading
import time


def segv():
    ctypes.string_at(0)


def abort():
    os.abort()


def leave():
    os._exit(3)


def kill():
    os.kill(os.getpid(), 9)
    time.sleep(60)


def hang():
    # Who wants to know that it hangs makes this folder.
    folder = os.path.join(os.path.dirname(__file__), "hanging")
    if os.path.isdir(folder):
        open(os.path.join(folder, str(threading.get_ident())), "w").close()
    time.sleep(60)


def loop():
    while True:
        pass


def lock():
    # PyDLL keeps the GIL, and a mutex that is locked twice is never had.
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):
        ctypes.PyDLL(None).pthread_mutex_lock(mutex)


def fork():
    if os.fork() == 0:
        segv()
    os.wait()


def linger():
    threading.Thread(target=time.sleep, args=(60,)).start()


def cut():
    # Of this request's connection and idle ones; listening sockets have no other end.
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as end:
                if not end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    time.sleep(0.5)


def pid():
    return str(os.getpid()).encode()


def respond(start_response, act):
    start_response("200 OK", [("Content-Length", "10")])
    yield b"begun"
    act()
    yield b"ended"


def application(environ, start_response):
    act = globals().get(environ["PATH_INFO"][1:], lambda: None)
    if environ["QUERY_STRING"]:
        return respond(start_response, act)
    body = act() or b"ok"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
