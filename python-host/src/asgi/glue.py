# The event loop of a process, and what an ASGI application awaits. Runs in a namespace of its own (`__name__` is
# 'mod_wsgi') that holds from Rust: take(), running(name), no_uvloop(), without_lifespan(script, text),
# shutdown_failed(script, text), escaped(text), restarted(count).
import asyncio
import collections
import concurrent.futures

# What `send` and `flush` of a channel answer.
FULL, SENT, OVER, GONE = range(4)

loop = None
is_ending = False
is_draining = False
request_timeout = 0
requests = {}
lifespans = {}


class ClientDisconnected(OSError):
    """Raised by send() when the client has gone."""

    def __init__(self, request, text):
        super().__init__(text)
        self.request = request


class Lifespan:
    # One application's life, by the lifespan protocol if it knows that.

    def __init__(self, application, script):
        self.application = application
        self.script = script
        self.state = {}
        self.is_ready = False
        self.is_known = True
        self.starting = None

    async def ready(self):
        # None, or why it cannot be started. All who ask meanwhile wait for the same attempt.
        if self.starting is None:
            self.starting = loop.create_task(self.start())
        starting = self.starting
        failure = await asyncio.shield(starting)
        if failure is not None and self.starting is starting:
            self.starting = None
        return failure

    async def start(self):
        self.events, self.started, self.stopped = asyncio.Queue(), loop.create_future(), loop.create_future()
        self.state = {}
        self.task = loop.create_task(self.run())
        self.events.put_nowait({"type": "lifespan.startup"})
        failure = await self.started
        self.is_ready = failure is None
        return failure

    async def run(self):
        asgi = {"version": "3.0", "spec_version": "2.0"}
        scope = {"type": "lifespan", "asgi": asgi, "state": self.state}
        text = "it returned"
        try:
            await self.application(scope, self.events.get, self.send)
        except BaseException as error:
            text = "%s: %s" % (type(error).__name__, error)
        if not self.started.done():
            self.is_known = False
            without_lifespan(self.script, text)
            self.started.set_result(None)
        if not self.stopped.done():
            self.stopped.set_result(None)

    async def send(self, message):
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self.answer(self.started, None)
        elif kind == "lifespan.startup.failed":
            self.answer(self.started, message.get("message", "") or "it gave no reason")
        elif kind == "lifespan.shutdown.complete":
            self.answer(self.stopped, None)
        elif kind == "lifespan.shutdown.failed":
            self.answer(self.stopped, message.get("message", "") or "it gave no reason")
        else:
            raise RuntimeError("unexpected message %r in the lifespan protocol" % kind)

    @staticmethod
    def answer(future, value):
        if not future.done():
            future.set_result(value)

    async def stop(self):
        if not self.is_ready or not self.is_known or self.task.done():
            return
        self.events.put_nowait({"type": "lifespan.shutdown"})
        failure = await self.stopped
        if failure is not None:
            shutdown_failed(self.script, failure)


def lifespan_of(application, script):
    known = lifespans.get(id(application))
    if known is None:
        known = lifespans[id(application)] = Lifespan(application, script)
    return known


class Request:
    # One HTTP request, and the two callables that its application gets.
    __slots__ = ("channel", "fd", "readers", "writers", "is_overdue", "deadline")

    def __init__(self, channel):
        self.channel = channel
        self.fd = channel.fileno()
        self.readers = []
        self.writers = []
        self.is_overdue = False
        self.deadline = None

    async def run(self):
        channel, error = self.channel, None
        try:
            application = channel.application()
            if application is None:
                return
            lifespan = lifespan_of(application, channel.script())
            failure = None if lifespan.is_ready else await lifespan.ready()
            if failure is not None:
                channel.fail_startup(failure)
            else:
                await application(channel.scope(lifespan.state), self.receive, self.send)
        except BaseException as raised:
            # Without the frame of this function.
            error = raised.with_traceback(raised.__traceback__.tb_next)
        await self.finish(error)

    async def receive(self):
        while True:
            message = self.channel.receive()
            if message is not None:
                return message
            await self.wait(self.readers, loop.add_reader, self.on_readable, loop.remove_reader)

    async def send(self, message):
        await self.sent(self.channel.send(message))

    async def sent(self, status):
        while status == FULL:
            await self.wait(self.writers, loop.add_writer, self.on_writable, loop.remove_writer)
            status = self.channel.flush()
        if status == OVER:
            self.close()
        elif status == GONE:
            raise ClientDisconnected(self, "the client has disconnected")

    async def finish(self, error):
        try:
            is_quiet = isinstance(error, ClientDisconnected) and error.request is self
            # Nothing the application has done wrong: the client has gone, the process ends, or the time is over.
            is_cut = isinstance(error, asyncio.CancelledError) and (is_ending or self.is_overdue)
            await self.sent(self.channel.finish(error, is_quiet or is_cut, self.is_overdue))
        except BaseException:
            # Nobody is there, or the loop ends.
            pass
        self.close()

    async def wait(self, waiters, add, callback, remove):
        waiter = loop.create_future()
        if not waiters:
            add(self.fd, callback)
        waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in waiters:
                waiters.remove(waiter)
                if not waiters:
                    remove(self.fd)

    def on_readable(self):
        loop.remove_reader(self.fd)
        wake(self.readers)

    def on_writable(self):
        loop.remove_writer(self.fd)
        wake(self.writers)

    def close(self):
        # The connection is the next request's from here on.
        if self.readers:
            self.on_readable()
        if self.writers:
            self.on_writable()
        self.channel.release()


# Where a WebSocket is.
NEW, CONNECTING, DENYING, OPEN, CLOSING, OVER_AND_OUT = range(6)

# Seconds between two pings, and after which nothing was heard.
PING = 20
# Seconds that the other side gets to answer a close frame.
PATIENCE = 10
# Messages that wait for the application before no more is read.
BACKLOG = 32


class WebSocket(Request):
    # Frames are read whether the application asks for them or not, so that pings and a close frame are answered.
    __slots__ = ("stage", "queue", "getters", "timer", "is_reading", "is_heard", "is_pinged")

    def __init__(self, channel):
        super().__init__(channel)
        self.stage = NEW
        self.queue = collections.deque()
        self.getters = []
        self.timer = None
        self.is_reading = self.is_heard = self.is_pinged = False

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
            if self.stage not in (OPEN, CLOSING):
                return {"type": "websocket.disconnect", "code": 1006, "reason": ""}
            getter = loop.create_future()
            self.getters.append(getter)
            await getter
        message = self.queue[0]
        if message["type"] == "websocket.receive":
            self.queue.popleft()
            self.read_on()
        return message

    async def send(self, message):
        kind = message["type"]
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
            self.stage = OPEN
            if self.readers:
                self.on_readable()
            await self.sent(status)
            self.timer = loop.call_later(PING, self.keep_alive)
            self.read_on()
            if is_draining:
                self.restart()
        elif kind == "websocket.close":
            self.stage = OVER_AND_OUT
            await super().send({"type": "http.response.start", "status": 403})
            await super().send({"type": "http.response.body"})
        elif kind == "websocket.http.response.start":
            self.stage = DENYING
            await super().send(dict(message, type="http.response.start"))
        else:
            raise RuntimeError("unexpected message %r" % kind)

    def shut(self, code, reason):
        status = self.channel.end_socket(code, reason)
        self.stage = CLOSING
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
        if self.stage in (OPEN, CLOSING) and not self.is_reading and len(self.queue) < BACKLOG:
            self.is_reading = True
            loop.add_reader(self.fd, self.on_message)
            # What has come along with something else is no reason for the loop to wake up.
            loop.call_soon(self.on_message)

    def stop_reading(self):
        if self.is_reading:
            self.is_reading = False
            loop.remove_reader(self.fd)

    def on_message(self):
        while self.is_reading:
            message = self.channel.next_message()
            if message is None:
                return
            self.is_heard = True
            if message is True:
                # There may be an answer.
                self.status(self.channel.flush())
                continue
            if message["type"] == "websocket.disconnect":
                self.stop_reading()
                self.end(message)
                return
            self.put(message)
            if len(self.queue) >= BACKLOG:
                self.stop_reading()

    def put(self, message):
        if not self.queue or self.queue[-1]["type"] == "websocket.receive":
            self.queue.append(message)
        wake(self.getters)

    def end(self, message):
        self.stage = OVER_AND_OUT
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
        elif status != SENT:
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
                self.read_on()
                getter = loop.create_future()
                self.getters.append(getter)
                await getter
        await super().finish(error)

    def close(self):
        self.stop_reading()
        if self.timer is not None:
            self.timer.cancel()
        if self.stage != DENYING:
            self.stage = OVER_AND_OUT
        super().close()
        wake(self.getters)


def wake(waiters):
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


def begin(channel):
    request = WebSocket(channel) if channel.is_websocket() else Request(channel)
    task = loop.create_task(request.run())
    requests[task] = request
    task.add_done_callback(ended)
    if request_timeout and not isinstance(request, WebSocket):
        request.deadline = loop.call_later(request_timeout, expire, task)


def expire(task):
    request = requests.get(task)
    if request is not None:
        request.is_overdue = True
        calls = ['File "%s", line %s in %s' % (f.f_code.co_filename, f.f_lineno, f.f_code.co_name) for f in task.get_stack()]
        request.channel.overdue(request_timeout, " | ".join(reversed(calls)))
        task.cancel()


def ended(task):
    request = requests.pop(task)
    if request.deadline is not None:
        request.deadline.cancel()
    request.channel.leave()


def on_bell():
    global is_draining
    channels, drains, patience = take()
    for channel in channels:
        begin(channel)
    if drains and not is_draining:
        is_draining = True
        count = sum(request.restart() for request in list(requests.values()) if isinstance(request, WebSocket))
        if count:
            restarted(count)
    if patience is not None and not is_ending:
        loop.create_task(end(patience))


async def end(patience):
    # Negative: as long as it takes.
    global is_ending
    is_ending = True
    if requests:
        await asyncio.wait(list(requests), timeout=None if patience < 0 else patience)
    for task in list(requests):
        task.cancel()
    if requests:
        await asyncio.wait(list(requests), timeout=1)
    for lifespan in list(lifespans.values()):
        await lifespan.stop()
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=1)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
    loop.stop()


def make_loop(kind):
    if kind != "asyncio":
        try:
            import uvloop
        except ImportError:
            if kind == "uvloop":
                no_uvloop()
        else:
            return uvloop.new_event_loop(), "uvloop"
    return asyncio.new_event_loop(), "asyncio"


def current():
    # The channel of the request in whose task the loop is now; asked from another thread.
    request = requests.get(asyncio.current_task(loop))
    return request.channel if request is not None else None


def run(kind, threads, fd, timeout):
    global loop, request_timeout
    request_timeout = timeout
    made, name = make_loop(kind)
    asyncio.set_event_loop(made)
    pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="wsgi-executor")
    made.set_default_executor(pool)
    made.add_reader(fd, on_bell)
    loop = made
    running(name)
    while True:
        try:
            loop.run_forever()
            break
        except BaseException as error:
            # SystemExit and KeyboardInterrupt leave the loop when a task or a callback raises them.
            escaped("%s: %s" % (type(error).__name__, error))
    loop.close()
    asyncio.set_event_loop(None)


def start(application, script):
    # On the main thread, before requests are served: None, or why it cannot be started.
    async def ready():
        return await lifespan_of(application, script).ready()

    return asyncio.run_coroutine_threadsafe(ready(), loop).result()
