"""The application of the hostile group: each request is one attack, and the process keeps up what it can in the background."""
import array
import os
import signal
import socket
import struct
import subprocess
import threading
import time

LISTEN, READY = 3, 4
kept = []


def flood():
    """Two bytes a line, for ever."""
    while True:
        os.write(1, b"x\n" * 32768)
        time.sleep(0.001)


def signs():
    """The supervisor acts on each byte."""
    signal_mask = {signal.SIGPIPE}
    signal.pthread_sigmask(signal.SIG_BLOCK, signal_mask)
    while True:
        try:
            os.write(READY, b"RRRR")
        except OSError:
            return
        time.sleep(0.001)


def lingering():
    """A socket that takes hours to close, and what keeps it so."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    sender = socket.create_connection(listener.getsockname())
    sender.setblocking(False)
    try:
        while True:
            sender.send(b"x" * 65536)
    except BlockingIOError:
        pass
    return listener, sender


def everywhere(act):
    """Over every socket that leads to httpd."""
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as other:
                if other.family == socket.AF_UNIX and int(name) != LISTEN:
                    act(other)
        except (OSError, ValueError):
            pass


def garbage():
    """What is no frame, in the middle of whatever else is said."""
    everywhere(lambda other: other.send(os.urandom(64), socket.MSG_DONTWAIT))


def kinds():
    """Descriptors of many kinds, and as many as one message takes."""
    pipes = os.pipe()
    mine = [*pipes, os.eventfd(0), os.memfd_create("x"), os.open("/", os.O_RDONLY), os.open("/dev/zero", os.O_RDONLY),
            os.pidfd_open(os.getpid()), *(end.detach() for end in socket.socketpair())]
    many = array.array("i", (mine * 40)[:253])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)]
    everywhere(lambda other: other.sendmsg([b"\x05\0\0\0\0\0\0\0"], rights, socket.MSG_DONTWAIT))
    for fd in mine:
        os.close(fd)


def descriptors():
    listener, sender = lingering()
    kept.append(listener)

    def act(other):
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 30000))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sender.fileno()]))]
        other.sendmsg([b""], rights, socket.MSG_DONTWAIT)

    everywhere(act)
    # Whoever is last shall not be this process.
    time.sleep(0.05)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
    del kept[:-20]


def shut():
    socket.socket(fileno=os.dup(LISTEN)).shutdown(socket.SHUT_RDWR)


def narrow():
    socket.socket(fileno=os.dup(LISTEN)).listen(0)


def leave():
    """Programs that stay, with copies of all descriptors."""
    for _ in range(5):
        subprocess.Popen(["sleep", "20"], close_fds=False)


def breed():
    for _ in range(50):
        try:
            if not os.fork():
                time.sleep(1)
                os._exit(0)
        except OSError:
            break


def grow():
    try:
        kept.append(bytearray(64 << 20))
    except MemoryError:
        kept.clear()


def die():
    os.kill(os.getpid(), signal.SIGSEGV if time.time_ns() % 2 else signal.SIGKILL)


def heads(start_response):
    start_response("200 OK", [("X-Many", "v" * 500)] * 4000)
    return [b""]


def informational(start_response):
    start_response("101 Switching Protocols", [("Upgrade", "x")])
    return [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]


def lengths(start_response):
    start_response("200 OK", [("Content-Length", "1000")])
    return [b"short"]


ATTACKS = [descriptors, garbage, kinds, shut, narrow, leave, breed, grow, die]
RESPONSES = [heads, informational, lengths]
for background in (flood, signs):
    threading.Thread(target=background, daemon=True).start()


def chatter(errors):
    """Lines to httpd's child, more than it may be given."""
    for number in range(3000):
        print(number, "x" * 1000, file=errors)


def application(environ, start_response):
    number = int(environ["QUERY_STRING"] or "0")
    if number % 50 == 49:
        chatter(environ["wsgi.errors"])
    if number % 4 == 0:
        ATTACKS[number // 4 % len(ATTACKS)]()
        start_response("200 OK", [])
        return [b""]
    return RESPONSES[number % len(RESPONSES)](start_response)
