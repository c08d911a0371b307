# The coroutines of WebSockets; behind glue.py, in its namespace.
import collections
import os

# Where a WebSocket is.
NEW, CONNECTING, DENYING, ACCEPTING, OPEN, CLOSING, OVER_AND_OUT = range(7)

# Seconds between two pings, and after which nothing was heard.
PING = 20
# Seconds that the other side gets to answer a close frame.
PATIENCE = 10
# Seconds for which a client may go on sending when the WebSocket has ended.
LINGER = 2
# Messages, and characters or bytes in them, that wait for the application before no more is read.
BACKLOG = 32
BACKLOG_SIZE = 1 << 20
# Seconds between two reports of how many have their own sockets.
REPORT = 0.25
# Frames of one client before others have their turn.
TURN = 32


own_sockets = 0
is_reporting = False


def count(change):
    global own_sockets, is_reporting
    own_sockets += change
    if not is_reporting:
        is_reporting = True
        loop.call_later(REPORT, report)


def report():
    global is_reporting
    is_reporting = False
    count_sockets(own_sockets)


def size_of(message):
    return len(message.get("text") or message.get("bytes") or ())


class WebSocket(Request):
    # Frames are read whether the application asks for them or not, so that pings and a close frame are answered.
    __slots__ = ("stage", "queue", "size", "getters", "timer", "is_reading", "is_heard", "is_pinged", "is_own")

    def __init__(self, channel):
        super().__init__(channel)
        self.fd = channel.fileno()
        self.stage = NEW
        self.queue = collections.deque()
        self.size = 0
        self.getters = []
        self.timer = None
        self.is_reading = self.is_heard = self.is_pinged = self.is_own = False

    async def receive(self):
        if self.stage == NEW:
            self.stage = CONNECTING
            return {"type": "websocket.connect"}
        while self.stage == CONNECTING:
            message = self.channel.receive()
            if message is None:
                await self.wait(self.readers, loop.add_reader, self.on_readable, loop.remove_reader)
            elif message["type"] == "http.disconnect":
                return {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        while not self.queue:
            if self.stage not in (ACCEPTING, OPEN, CLOSING):
                return {"type": "websocket.disconnect", "code": 1006, "reason": ""}
            await self.turn()
        message = self.queue[0]
        if message["type"] == "websocket.receive":
            self.queue.popleft()
            self.size -= size_of(message)
            self.read_on()
        return message

    async def turn(self):
        # Until a message has come, or the stage is another one.
        getter = loop.create_future()
        self.getters.append(getter)
        await getter

    async def send(self, message):
        kind = message["type"]
        while self.stage == ACCEPTING:
            await self.turn()
        if self.stage in (NEW, CONNECTING):
            await self.answer(kind, message)
        elif self.stage == DENYING and kind.startswith("websocket.http.response."):
            await super().send(dict(message, type=kind[len("websocket.") :]))
        elif self.stage == OPEN and kind == "websocket.send":
            await self.sent(self.channel.send_message(message))
        elif self.stage == OPEN and kind == "websocket.close":
            await self.sent(self.shut(message.get("code", 1000), message.get("reason")))
        elif self.stage in (CLOSING, OVER_AND_OUT) and kind in ("websocket.send", "websocket.close"):
            raise ClientDisconnected(self, "the WebSocket is closed")
        else:
            raise RuntimeError("unexpected message %r" % kind)

    async def answer(self, kind, message):
        if kind == "websocket.accept":
            status = self.channel.accept(message.get("subprotocol"), message.get("headers"))
            self.stage = ACCEPTING
            if self.readers:
                self.on_readable()
            await self.accepted(status)
        elif kind == "websocket.close":
            self.stage = OVER_AND_OUT
            await super().send({"type": "http.response.start", "status": 403})
            await super().send({"type": "http.response.body"})
        elif kind == "websocket.http.response.start":
            self.stage = DENYING
            await super().send(dict(message, type="http.response.start"))
        else:
            raise RuntimeError("unexpected message %r" % kind)

    async def accepted(self, status):
        # httpd answers the client, and may hand its socket over.
        try:
            await self.sent(status)
            while not self.channel.is_switched():
                await self.wait(self.readers, loop.add_reader, self.on_readable, loop.remove_reader)
        except BaseException:
            self.stage = OVER_AND_OUT
            wake(self.getters)
            raise
        fd = self.channel.fileno()
        if fd != self.fd:
            self.fd, self.is_own = fd, True
            count(1)
        self.stage = OPEN
        wake(self.getters)
        self.timer = loop.call_later(PING, self.keep_alive)
        self.read_on()
        if is_draining:
            self.restart()

    def shut(self, code, reason):
        status = self.channel.end_socket(code, reason)
        self.stage = CLOSING
        if self.timer is not None:
            self.timer.cancel()
        self.timer = loop.call_later(PATIENCE, self.give_up)
        return status

    def restart(self):
        if self.stage != OPEN:
            return False
        self.status(self.shut(1012, "service restart"))
        self.put({"type": "websocket.disconnect", "code": 1012, "reason": "service restart"})
        return True

    def read_on(self):
        if self.stage in (OPEN, CLOSING) and not self.is_reading and not self.writers and not self.is_full():
            self.is_reading = True
            loop.add_reader(self.fd, self.on_message)
            # What has come along with something else is no reason for the loop to wake up.
            loop.call_soon(self.on_message)

    def is_full(self):
        return len(self.queue) >= BACKLOG or self.size >= BACKLOG_SIZE

    def stop_reading(self):
        if self.is_reading:
            self.is_reading = False
            loop.remove_reader(self.fd)

    def on_message(self):
        for _ in range(TURN):
            if not self.is_reading:
                return
            message = self.channel.next_message()
            if message is None:
                return
            self.is_heard = True
            if message is True:
                # There may be an answer; who does not take it is not read either.
                self.status(self.channel.flush())
                if self.writers:
                    self.stop_reading()
                continue
            if message["type"] == "websocket.disconnect":
                self.stop_reading()
                self.end(message)
                return
            self.put(message)
            if self.is_full():
                self.stop_reading()
        loop.call_soon(self.on_message)

    def put(self, message):
        if not self.queue or self.queue[-1]["type"] == "websocket.receive":
            self.queue.append(message)
            self.size += size_of(message)
        wake(self.getters)

    def end(self, message):
        self.stage = OVER_AND_OUT
        if self.timer is not None:
            self.timer.cancel()
        self.put(message)
        self.status(self.channel.flush())

    def status(self, status):
        # As `sent`, where nobody can wait.
        if status == FULL:
            if not self.writers:
                loop.add_writer(self.fd, self.on_writable)
                self.writers.append(loop.create_future())
                self.writers[0].add_done_callback(lambda _: self.status(self.channel.flush()))
        elif status == SENT:
            self.read_on()
        else:
            self.close()

    def keep_alive(self):
        if self.is_pinged and self.is_reading and not self.is_heard:
            self.give_up()
            return
        self.is_heard, self.is_pinged = False, True
        self.status(self.channel.ping())
        if self.stage == OPEN:
            self.timer = loop.call_later(PING, self.keep_alive)

    def give_up(self):
        self.stop_reading()
        self.channel.give_up()
        self.end({"type": "websocket.disconnect", "code": 1006, "reason": ""})

    async def finish(self, error):
        if self.stage == OPEN:
            try:
                await self.sent(self.shut(1000 if error is None else 1011, None))
            except ClientDisconnected:
                pass
        if self.stage == CLOSING and error is None:
            # Until the other side has answered, or has not.
            while self.stage == CLOSING:
                self.queue.clear()
                self.size = 0
                self.read_on()
                await self.turn()
        await super().finish(error)

    def close(self):
        self.stop_reading()
        if self.timer is not None:
            self.timer.cancel()
        if self.stage != DENYING:
            self.stage = OVER_AND_OUT
        if self.is_own:
            self.is_own = False
            count(-1)
        super().close()
        wake(self.getters)


def linger(fd):
    # Closing a socket that has unread bytes would reset the connection, and the client might lose what was sent last.
    def over():
        timer.cancel()
        loop.remove_reader(fd)
        os.close(fd)

    def discard():
        try:
            if os.read(fd, 65536):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        over()

    timer = loop.call_later(LINGER, over)
    loop.add_reader(fd, discard)
