#!/usr/bin/python3 -IS
"""Stands where a daemon's interpreter would be and speaks the daemon's protocol by hand: the header X-Code of a request
says, in Python, what comes back (tests/it/failures/hostile.rs; the frames are those of wsgi-protocol/src/frame.rs)."""
import array, base64, contextlib, fcntl, os, random, re, select, socket, struct, tempfile, threading, time

LISTEN, READY, ORDER = 3, 4, 6
KEPT = []
(WANT_BODY, HEAD, DATA, FILE, FLUSH, LOG, END, ABORTED, FAIL, REFUSED, GO_AWAY, WATCH, UPGRADE, MEMORY, OFFER,
 TAKE_OVER) = range(16, 32)


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


def lingering(port):
    """A socket whose close sleeps for hours: what was sent has not arrived, and nobody reads it."""
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 30000))
    made.setblocking(False)
    try:
        while True:
            made.send(bytes(65536))
    except BlockingIOError:
        return made.detach()


def rights(descriptors):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]


def nested(port):
    """A UNIX socket in which such a socket is queued."""
    ours, theirs = socket.socketpair()
    inner = lingering(port)
    theirs.sendmsg([b"x"], rights([inner]))
    os.close(inner)
    return ours.detach()


def accepting(port):
    """A listening UNIX socket with a connection in which such a socket is queued."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("")
    listener.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(listener.getsockname())
    inner = lingering(port)
    client.sendmsg([b"x"], rights([inner]))
    os.close(inner)
    return listener.detach()


def memory(size=1 << 20, filled=1 << 20, seals=0x17, body=b""):
    """What MEMORY brings, if nothing else is asked for."""
    number = os.memfd_create("hostile", os.MFD_ALLOW_SEALING)
    os.ftruncate(number, size)
    if filled:
        os.pwrite(number, bytes(filled), 0)
    os.pwrite(number, body, 0)
    fcntl.fcntl(number, 1033, seals)  # F_ADD_SEALS
    return number


def polling():
    with select.epoll() as made:
        return os.dup(made.fileno())


def scratch(flags):
    number, path = tempfile.mkstemp()
    os.write(number, b"x" * 20000)
    os.close(number)
    number = os.open(path, flags)
    os.unlink(path)
    return number


DESCRIPTORS = {
    "linger": lingering,
    "nested": nested,
    "accepting": accepting,
    "pipe": lambda _: os.pipe()[1],
    "directory": lambda _: os.open("/tmp", os.O_RDONLY),
    "path of a directory": lambda _: os.open("/tmp", os.O_PATH),
    "device": lambda _: os.open("/dev/null", os.O_RDWR),
    "terminal": lambda _: os.openpty()[1],
    "event": lambda _: os.eventfd(0),
    "process": lambda _: os.pidfd_open(os.getpid()),
    "poll": lambda _: polling(),
    "udp": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(),
    "memory": lambda _: os.memfd_create("x"),
    "path": lambda _: scratch(os.O_PATH),
    "write-only": lambda _: scratch(os.O_WRONLY),
}


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
            connection.sendmsg([data], rights([opened.fileno()]))

    def give(what, count, port, kind, data=b""):
        made = DESCRIPTORS[what](port)
        connection.sendmsg([struct.pack("<BBHI", kind, 0, seq, len(data)) + data], rights([made] * count))
        os.close(made)

    def share(number, offset, length):
        """MEMORY, with a descriptor if there is one."""
        frame = struct.pack("<BBHIII", MEMORY, 0, seq, 8, offset, length)
        connection.sendmsg([frame], [] if number is None else rights([number]))
        if number is not None:
            os.close(number)

    def offer(number):
        """Memory for the request body."""
        connection.sendmsg([struct.pack("<BBHI", OFFER, 0, seq, 0)], rights([number]))
        os.close(number)

    def receive(source):
        message, rights, _, _ = source.recvmsg(40000, 1000)
        return message, [socket.socket(fileno=number) for number in array.array("i", rights[0][2])] if rights else []

    def client():
        """The socket that httpd hands over."""
        (parcel,) = receive(connection)[1]
        return receive(parcel)[1][0]

    def wander(seed, port):
        """A conversation that the seed repeats (tests/it/fuzz/conversation.rs)."""
        dice = random.Random(seed)

        def size(limit):
            return dice.randrange(min(limit, 200) if dice.random() < 0.8 else limit)

        def value():
            return dice.choice([b"", b"5", b"+5", b"0", b"99999999999999999999", b"a\r\nb", dice.randbytes(size(5000))])

        def some_head():
            names = [b"Content-Length", b"content-type", b"Location", b"Connection", b"Transfer-Encoding", b"X"]
            names.append(dice.randbytes(4))
            line = dice.choice([b"200 OK"] * 6 + [b"204 x", b"304 x", b"101 x", b"404 Not Found", b"200", dice.randbytes(5)])
            headers = [(dice.choice(names), value()) for _ in range(size(300) // 40)]
            number = int(line[:3]) if line[:3].isdigit() else dice.randrange(65536)
            whole = bytearray(head(line, headers, status=number))
            if dice.random() < 0.2:
                whole[dice.randrange(len(whole))] = dice.randrange(256)
            return bytes(whole)

        def any_frame():
            kind, data = dice.randrange(33), dice.randbytes(size(20000))
            flags = dice.random() < 0.05
            length = dice.choice([len(data)] * 4 + [2**24, 2**32 - 1, 3])
            raw(struct.pack("<BBHI", kind, flags, seq, length) + data)

        moves = [
            lambda: send(HEAD, some_head()),
            lambda: send(HEAD, head()),
            lambda: send(DATA, dice.randbytes(size(200000))),
            lambda: send(LOG, bytes([dice.randrange(256)]) + dice.randbytes(size(70000))),
            lambda: send(dice.choice([FLUSH, GO_AWAY, WATCH, UPGRADE, OFFER, TAKE_OVER])),
            lambda: send(WANT_BODY, struct.pack("<I", dice.randrange(2**32))),
            lambda: file(dice.choice(["/etc/passwd", "/etc/hostname", "/dev/null"]), size(3000), size(3000)),
            lambda: give(
                dice.choice(list(DESCRIPTORS)),
                dice.choice([1, 1, 1, 8, 9, 253]),
                port,
                dice.randrange(16, 32),
                dice.randbytes(16),
            ),
            lambda: share(
                dice.choice(
                    [
                        lambda: None,
                        lambda: memory(body=b"wandering" * 100),
                        lambda: memory(seals=dice.randrange(32)),
                        lambda: memory(filled=4096),
                    ]
                )(),
                dice.choice([0, size(2**20), dice.randrange(2**32)]),
                dice.choice([size(2**20), dice.randrange(2**32)]),
            ),
            lambda: send(DATA, dice.randbytes(100), seq + dice.choice([1, 65535]) & 65535),
            any_frame,
            lambda: raw(dice.randbytes(size(20000))),
            lambda: send(dice.choice([END, ABORTED])),
            lambda: send(FAIL, struct.pack("<H", dice.randrange(1000))),
            lambda: send(REFUSED, bytes([dice.randrange(5)])),
        ]
        for _ in range(dice.randrange(1, 10)):
            dice.choices(moves, [9, 9, 9, 3, 2, 2, 4, 2, 3, 1, 1, 1, 1, 1, 1])[0]()
        if dice.random() < 0.7:
            send(END)
        elif dice.random() < 0.9:
            close()

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
        # SO_PASSRIGHTS: it refuses descriptors as its listener does, since Linux 6.16.
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, 83, 1)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


threading.Thread(target=accept, args=(socket.socket(fileno=LISTEN),), daemon=True).start()
os.write(READY, b"R")
while os.read(ORDER, 1) not in (b"X", b"D", b"E", b""):
    pass
os._exit(0)
