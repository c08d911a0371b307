# The event loop of a process, and what an ASGI application awaits. Runs in a namespace of its own (`__name__` is
# 'mod_wsgi') that holds from Rust: take(), read_request(), stop_reading(), running(name), no_uvloop(),
# without_lifespan(script, text), shutdown_failed(script, text), escaped(text), restarted(count), count_sockets(count).
# websocket.py is read into the same one, behind it.
import asyncio
import concurrent.futures

# Most requests that are read in a row.
BURST = 16

# What `send` and `flush` of a channel answer.
FULL, SENT, OVER, GONE = range(4)

loop = None
is_ending = False
is_over = False
is_draining = False
polled = -1
# Seconds, 0 for none: of request-timeout=, and of WSGISlowRequests; whether there is one of them.
request_timeout = slow_request = 0
is_timed = False
is_eager = hasattr(asyncio, "eager_task_factory")
# The request whose task makes its first step.
starting = None
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
        self.attempt = None
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
        attempt = Attempt(self)
        attempt.task = loop.create_task(attempt.run())
        attempt.events.put_nowait({"type": "lifespan.startup"})
        failure = await attempt.started
        self.is_ready = failure is None
        if self.is_ready:
            self.attempt, self.state = attempt, attempt.state
        return failure

    async def stop(self):
        attempt = self.attempt
        if attempt is None or attempt.is_unknown or attempt.task.done():
            return
        attempt.events.put_nowait({"type": "lifespan.shutdown"})
        failure = await attempt.stopped
        if failure is not None:
            shutdown_failed(self.script, failure)


class Attempt:
    # One call of the application with a lifespan scope.

    def __init__(self, lifespan):
        self.lifespan = lifespan
        self.events, self.started, self.stopped = asyncio.Queue(), loop.create_future(), loop.create_future()
        self.state = {}
        self.is_unknown = False
        self.task = None

    async def run(self):
        asgi = {"version": "3.0", "spec_version": "2.0"}
        scope = {"type": "lifespan", "asgi": asgi, "state": self.state}
        text = "it returned"
        try:
            await self.lifespan.application(scope, self.events.get, self.send)
        except BaseException as error:
            text = "%s: %s" % (type(error).__name__, error)
        if not self.started.done():
            self.is_unknown = True
            without_lifespan(self.lifespan.script, text)
            self.started.set_result(None)
        answer(self.stopped, None)

    async def send(self, message):
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            answer(self.started, None)
        elif kind == "lifespan.startup.failed":
            answer(self.started, message.get("message", "") or "it gave no reason")
        elif kind == "lifespan.shutdown.complete":
            answer(self.stopped, None)
        elif kind == "lifespan.shutdown.failed":
            answer(self.stopped, message.get("message", "") or "it gave no reason")
        else:
            raise RuntimeError("unexpected message %r in the lifespan protocol" % kind)


def answer(future, value):
    if not future.done():
        future.set_result(value)


def lifespan_of(application, script):
    known = lifespans.get(id(application))
    if known is None:
        known = lifespans[id(application)] = Lifespan(application, script)
    return known


class Request:
    # One HTTP request, and the two callables that its application gets.
    __slots__ = ("channel", "fd", "readers", "writers", "is_overdue", "is_closed", "deadline", "slow")

    def __init__(self, channel):
        self.channel = channel
        # Asked for where it is waited for.
        self.fd = None
        self.readers = []
        self.writers = []
        self.is_overdue = self.is_closed = False
        self.deadline = self.slow = None

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
        if error is not None or not self.is_closed:
            await self.finish(error)

    async def receive(self):
        while True:
            message = self.channel.receive()
            if message is not None:
                return message
            await self.wait(self.readers, loop.add_reader, self.on_readable, loop.remove_reader)

    async def send(self, message):
        status = self.channel.send(message)
        if status == OVER:
            self.close()
        elif status != SENT:
            await self.sent(status)

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
        if self.fd is None:
            self.fd = self.channel.fileno()
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
        self.is_closed = True
        # The connection is the next request's from here on.
        if self.readers:
            self.on_readable()
        if self.writers:
            self.on_writable()
        lingering = self.channel.release()
        if lingering is not None:
            linger(lingering)


def wake(waiters):
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


def begin(channel):
    # Whether its application has been called already.
    global starting
    request = WebSocket(channel) if channel.is_websocket() else Request(channel)
    makes_step = is_eager and loop.get_task_factory() is None
    began = loop.time() if is_timed else 0
    try:
        if makes_step:
            # Runs until it waits for the first time, as itself (current_task()).
            starting = request
            task = asyncio.Task(request.run(), loop=loop, eager_start=True)
        else:
            task = loop.create_task(request.run())
    except BaseException as error:
        # Whatever the application has made of the loop: the others shall be begun.
        channel.leave()
        loop.call_exception_handler({"message": "mod_wsgi: a request cannot be begun", "exception": error})
        return False
    finally:
        starting = None
    requests[task] = request
    if task.done():
        ended(task)
        return makes_step
    task.add_done_callback(ended)
    if is_timed and not isinstance(request, WebSocket):
        if request_timeout:
            request.deadline = loop.call_at(began + request_timeout, expire, task)
        if slow_request:
            request.slow = loop.call_at(began + slow_request, tell_slow, task)
    return makes_step


def awaited(coroutine):
    # Where a coroutine waits, outermost first. (The stack of a task that waits has its outermost frame only.)
    calls = []
    while coroutine is not None and len(calls) < 40:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(coroutine, kind + "_frame", None)
            if frame is not None:
                code = frame.f_code
                calls.append('File "%s", line %s in %s' % (code.co_filename, frame.f_lineno, code.co_name))
                break
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return calls


def whereabouts(task):
    return " | ".join(reversed(awaited(task.get_coro())))


def expire(task):
    request = requests.get(task)
    if request is not None:
        request.is_overdue = True
        request.channel.overdue(request_timeout, whereabouts(task), True)
        task.cancel()


def tell_slow(task):
    request = requests.get(task)
    if request is not None:
        request.channel.overdue(slow_request, whereabouts(task), False)


def ended(task):
    request = requests.pop(task)
    if request.deadline is not None:
        request.deadline.cancel()
    if request.slow is not None:
        request.slow.cancel()
    request.channel.leave()


def on_requests():
    # The next one is read when the application of the last has been called: if that ends the process, it is not lost.
    for _ in range(BURST):
        channel = read_request()
        if channel is None or not begin(channel):
            return


def poll(descriptor):
    global polled
    if descriptor == polled:
        return
    try:
        if polled >= 0:
            loop.remove_reader(polled)
        polled = -1
        if descriptor >= 0:
            loop.add_reader(descriptor, on_requests)
            polled = descriptor
    except Exception:
        # Workers read them, as they did before.
        stop_reading()


def on_wakeup():
    global is_draining
    channels, drains, patience, descriptor = take()
    poll(descriptor)
    for channel in channels:
        begin(channel)
    if patience is not None and not is_ending:
        loop.create_task(end(patience))
    if drains and not is_draining:
        is_draining = True
        count = sum(request.restart() for request in list(requests.values()) if isinstance(request, WebSocket))
        if count:
            restarted(count)


async def end(patience):
    # Negative: as long as it takes.
    global is_ending, is_over
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
    is_over = True
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
    task = asyncio.current_task(loop)
    request = requests.get(task) or (starting if task is not None else None)
    return request.channel if request is not None else None


def run(kind, threads, fd, timeout, slow):
    global loop, request_timeout, slow_request, is_timed
    request_timeout, slow_request = timeout, slow
    is_timed = bool(timeout or slow)
    made, name = make_loop(kind)
    asyncio.set_event_loop(made)
    pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="wsgi-executor")
    made.set_default_executor(pool)
    made.add_reader(fd, on_wakeup)
    loop = made
    running(name)
    while True:
        try:
            loop.run_forever()
            if is_over:
                break
            escaped("loop.stop()")
        except (SystemExit, KeyboardInterrupt) as error:
            # These leave the loop when a task or a callback raises them. Whatever else comes is the end of it.
            escaped("%s: %s" % (type(error).__name__, error))
    loop.close()
    asyncio.set_event_loop(None)


def start(application, script):
    # On the main thread, before requests are served: None, or why it cannot be started.
    async def ready():
        return await lifespan_of(application, script).ready()

    return asyncio.run_coroutine_threadsafe(ready(), loop).result()
