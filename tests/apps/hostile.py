#!/usr/bin/python3 -IS
"""Stands where a daemon's interpreter would be and speaks the daemon's protocol by hand: the header X-Code of a request
says, in Python, what comes back (tests/it/hostile.rs; the frames are those of wsgi-protocol/src/frame.rs)."""
import array, base64, os, re, socket, struct, threading, time

LISTEN, READY, ORDER = 3, 4, 6
WANT_BODY, HEAD, DATA, FILE, FLUSH, LOG, END, ABORTED, FAIL, REFUSED, GO_AWAY = range(16, 27)


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def text(data):
    return struct.pack("<I", len(data)) + data


def head(line=b"200 OK", headers=(), status=None, count=None):
    fields = b"".join(text(name) + text(value) for name, value in headers)
    number = int(line[:3]) if status is None else status
    return struct.pack("<HB", number, 0) + text(line) + struct.pack("<H", len(headers) if count is None else count) + fields


def serve(connection):
    try:
        while True:
            kind, _, seq, length = struct.unpack("<BBHI", exactly(connection, 8))
            payload = exactly(connection, length)
            if kind == 2:
                answer(connection, seq, payload)
    except (EOFError, OSError):
        connection.close()


def answer(connection, seq, payload):
    def raw(data):
        connection.sendall(data)

    def send(kind, data=b"", number=seq):
        raw(struct.pack("<BBHI", kind, 0, number, len(data)) + data)

    def say(body, headers=()):
        send(HEAD, head(headers=headers))
        send(DATA, body)
        send(END)

    def file(path, offset, length):
        with open(path, "rb", buffering=0) as opened:
            data = struct.pack("<BBHI", FILE, 0, seq, 16) + struct.pack("<QQ", offset, length)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [opened.fileno()]))]
            connection.sendmsg([data], rights)

    def close():
        raise EOFError

    code = re.search(rb"HTTP_X_CODE.{4}@([A-Za-z0-9+/=]*)@", payload, re.S)
    exec(base64.b64decode(code[1]) if code else "say(b'honest')", globals() | locals())


def accept(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            time.sleep(0.01)
            continue
        connection.setblocking(True)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


threading.Thread(target=accept, args=(socket.socket(fileno=LISTEN),), daemon=True).start()
os.write(READY, b"R")
while os.read(ORDER, 1) not in (b"X", b"D", b""):
    pass
os._exit(0)
