#!/usr/bin/python3 -IS
"""Stands where a zygote's interpreter would be (preload=on) and sends its supervisor, over every socket it has or is given,
a TCP socket that takes hours to close (tests/it/processes/supervisor_trust.rs)."""
import array, os, socket, stat, struct, time

FORKER, READY, ORDER = 3, 4, 6


def lingering():
    """Whoever closes it last waits for data that nobody reads."""
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
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 30000))
    return listener, sender


def attack(fd):
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return "no socket"
    listener, sender = lingering()
    kept.append(listener)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sender.fileno()]))]
    target = socket.socket(fileno=os.dup(fd))
    try:
        target.sendmsg([b"H"], rights, socket.MSG_DONTWAIT)
        result = "sent"
    except OSError as error:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        result = type(error).__name__
    sender.close()
    return result


kept = []
forker = socket.socket(fileno=FORKER)
if forker.type != socket.SOCK_SEQPACKET:
    # Not a zygote: a process that serves nothing, and stays.
    os.write(READY, b"R")
    time.sleep(3600)
os.write(READY, b"R")
data, fds, flags, _ = socket.recv_fds(forker, 64, 16)
results = [attack(fd) for fd in [*fds, FORKER]]
with open(os.path.join(os.environ["FOLDER"], "attacks"), "a") as file:
    file.write(" ".join(results) + "\n")
time.sleep(3600 if os.environ["THEN"] == "stay" else 0)
