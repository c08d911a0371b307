#!/usr/bin/python3 -S
"""A stand-in for an interpreter with a host: does what the file `behaviour` in its directory says."""
import os
import select
import signal
import sys
import time

home = sys.argv[1]
pid = os.getpid()
LISTEN, READY, LAUNCH, ORDER, HEIRLOOM = 3, 4, 5, 6, 7

def facts():
    yield "argv", "\x1f".join(sys.argv[1:])
    yield "environ", "\x1f".join(sorted(f"{k}={v}" for k, v in os.environ.items()))
    fds = []
    for name in os.listdir("/proc/self/fd"):
        try:
            fds.append((int(name), os.readlink(f"/proc/self/fd/{name}")))
        except OSError:
            pass  # the directory itself
    yield "fds", " ".join(str(fd) for fd, _ in sorted(fds))
    yield "stdin", dict(fds)[0]
    yield "ids", f"{os.getresuid()} {os.getresgid()} {sorted(os.getgroups())}"
    yield "cwd", os.getcwd()
    mask = os.umask(0)
    os.umask(mask)
    yield "umask", f"{mask:o}"
    yield "session", f"{os.getsid(0) == pid} {os.getpgid(0) == pid}"
    for line in open("/proc/self/status"):
        if line.startswith(("NoNewPrivs", "SigBlk", "SigIgn")):
            key, value = line.split(":")
            yield key, value.strip()
    for line in open("/proc/self/limits"):
        if line.startswith(("Max cpu time", "Max data size", "Max core")):
            yield line[:14].strip(), " ".join(line[25:].split()[:2])
    yield "nice", str(os.getpriority(os.PRIO_PROCESS, 0))

def leave(name, text):
    with open(f"{home}/{name}.tmp.{pid}", "wb") as file:
        file.write(text)
    os.rename(f"{home}/{name}.tmp.{pid}", f"{home}/{name}")

def note(letter):
    with open(f"{home}/orders", "a") as file:
        file.write(f"{pid} {letter}\n")

behaviour = open(f"{home}/behaviour").read().split()
size = os.fstat(LAUNCH).st_size
leave(f"{pid}.launch", os.pread(LAUNCH, size, 0))
leave(f"{pid}.facts", "".join("%s\t%s\n" % (k, v.replace("\n", "\\n")) for k, v in facts()).encode())
leave(f"{pid}.heirloom", os.pread(HEIRLOOM, 16, 0))
os.pwrite(HEIRLOOM, f"{pid:016}".encode(), 0)

# CPython runs no handler for a signal that comes just before select() sleeps, unless something wakes it.
woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
signal.set_wakeup_fd(waker)

if "print" in behaviour:
    os.write(1, b"<6>a note\n<4>a warning\nplain \x1b text\n")
if "die" in behaviour:
    os.write(2, b"Traceback\nImportError: no such thing\n")
    os._exit(3)
if "hang" in behaviour:
    time.sleep(1000)
if "deaf" in behaviour:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "fail" in behaviour:
    os.write(READY, b"F")
else:
    signal.signal(signal.SIGUSR1, lambda *_: os.write(READY, b"T"))
    signal.signal(signal.SIGUSR2, lambda *_: os.write(READY, b"D"))
    os.write(READY, b"R")
    if "noise" in behaviour:
        os.write(READY, bytes(byte for byte in range(256) if byte not in b"RTDFC"))
        os.write(1, bytes(range(256)) * 40 + b"\n")

watched = [ORDER, woken]
if "accept" in behaviour:
    import socket
    listener = socket.socket(fileno=os.dup(LISTEN))
    watched.append(listener)

def answer_one():
    try:
        client = listener.accept()[0]
    except OSError:  # the socket has been given up
        return watched.remove(listener)
    client.send(str(pid).encode())
    client.close()

while True:
    ready = select.select(watched, [], [])[0]
    if ORDER not in ready:
        if woken in ready:
            os.read(woken, 64)
        else:
            answer_one()
        continue
    order = os.read(ORDER, 1).decode()
    if "deaf" in behaviour:
        if not order:
            time.sleep(1000)
        continue
    note(order or "EOF")
    if order in "KS" and order:
        continue
    if order == "R":
        os.write(READY, b"D")
        continue
    if order in ("D", "E") and "slow" in behaviour:
        time.sleep(1)
    os._exit(0)
