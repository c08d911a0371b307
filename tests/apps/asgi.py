"""An ASGI application without a framework: a path for each thing that a test wants to see."""

import asyncio
import json
import os
import tempfile
import threading

arrived = 0
everybody = None
seen = []


async def wait_for(name):
    # The test makes the file.
    path = os.path.join(os.path.dirname(__file__), name)
    while not os.path.exists(path):
        await asyncio.sleep(0.005)


async def start(send, status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def answer(send, body, status=200, headers=()):
    await start(send, status, headers)
    await send({"type": "http.response.body", "body": body})


def text_of(value):
    return value.decode("latin-1") if isinstance(value, bytes) else repr(value)


async def show(scope, receive, send):
    await answer(send, json.dumps(scope, default=text_of).encode(), headers=[(b"content-type", b"application/json")])


async def echo(scope, receive, send):
    # As it comes.
    await start(send)
    more = True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message["more_body"]
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})


async def count(scope, receive, send):
    length, messages, more = 0, 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return print("no whole body")
        length, messages, more = length + len(message["body"]), messages + 1, message["more_body"]
    await answer(send, b"%d %s" % (length, b"many" if messages > 1 else b"one"))


async def stream(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await wait_for("released")
    await send({"type": "http.response.body", "body": b"last"})


async def meet(scope, receive, send):
    # Nobody goes on before all of them are here.
    global arrived, everybody
    everybody = everybody or asyncio.Event()
    arrived += 1
    if arrived == int(scope["query_string"]):
        everybody.set()
    await everybody.wait()
    await answer(send, b"met")


async def left(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body", "body": b"waiting", "more_body": True})
    message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
    print("the client has left")


async def endless(scope, receive, send):
    await start(send)
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    except OSError as error:
        print("send raised", type(error).__name__)
        raise


async def background(scope, receive, send):
    await answer(send, b"answered")
    message = await receive()
    await wait_for("released")
    print("afterwards", message["type"])


async def block(scope, receive, send):
    import time

    while not os.path.exists(os.path.join(os.path.dirname(__file__), "released")):
        time.sleep(0.01)
    await answer(send, b"unblocked")


async def sleep(scope, receive, send):
    if scope["query_string"]:
        await start(send)
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    await asyncio.sleep(1000)


async def thread(scope, receive, send):
    loop = asyncio.get_running_loop()
    # Comes back only if there are so many threads.
    barrier = threading.Barrier(int(scope["query_string"]))
    await asyncio.gather(*[loop.run_in_executor(None, barrier.wait) for _ in range(barrier.parties)])
    await answer(send, b"%d" % loop._default_executor._max_workers)


async def fork(scope, receive, send):
    # The child goes on as if it were the server.
    pid = os.fork()
    await answer(send, b"%d" % (pid > 0))
    if pid:
        print("the child has ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


async def stop(scope, receive, send):
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)
    await answer(send, b"still here")


async def ruin(scope, receive, send):
    await answer(send, b"last words")
    asyncio.get_running_loop()._selector.close()


async def pipe(scope, receive, send):
    # Nobody writes to it.
    path = tempfile.mktemp()
    os.mkfifo(path)
    try:
        await start(send)
        await send({"type": "http.response.pathsend", "path": path})
    except OSError as error:
        await send({"type": "http.response.body", "body": str(error).encode()})
    finally:
        os.unlink(path)


async def path(scope, receive, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": __file__})


async def copy(scope, receive, send):
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        file.seek(2)
        await start(send)
        await send({"type": "http.response.zerocopysend", "file": file, "count": 3, "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": file, "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": file, "offset": 0, "count": 1, "more_body": True})
        await send({"type": "http.response.body", "body": b"!"})


async def fail(scope, receive, send):
    raise ValueError("before the response")


async def break_off(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("in the midst of it")


async def nothing(scope, receive, send):
    pass


async def half(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def bad(scope, receive, send):
    # Each of these messages is refused.
    messages = [
        {"type": "http.response.body", "body": b"x"},
        {"type": "http.response.start", "status": 101},
        {"type": "http.response.start", "status": "200"},
        {"type": "http.response.start", "status": 200, "headers": [(b"a\r\nb", b"")]},
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\nc: d")]},
        {"type": "http.response.start", "status": 200, "headers": [("a", "b")]},
        {"type": "http.response.start", "status": 200, "headers": [b"abc"]},
        {"type": "http.response.push"},
        ["type"],
    ]
    found = []
    for message in messages:
        try:
            await send(message)
            found.append("nothing")
        except Exception as error:
            found.append(type(error).__name__)
    await answer(send, " ".join(found).encode())


async def leave(scope, receive, send):
    async def out():
        raise SystemExit(3)

    task = asyncio.ensure_future(out())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.exception()
    await answer(send, b"still here")


PATHS = {
    "/bad": bad,
    "/background": background,
    "/block": block,
    "/break": break_off,
    "/copy": copy,
    "/count": count,
    "/echo": echo,
    "/endless": endless,
    "/fail": fail,
    "/fork": fork,
    "/half": half,
    "/leave": leave,
    "/left": left,
    "/meet": meet,
    "/nothing": nothing,
    "/path": path,
    "/pipe": pipe,
    "/ruin": ruin,
    "/sleep": sleep,
    "/stop": stop,
    "/stream": stream,
    "/thread": thread,
}


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    await PATHS.get(scope["path"][len(scope["root_path"]) :], show)(scope, receive, send)


async def lifespan(scope, receive, send):
    await receive()
    scope["state"]["made"] = "at startup"
    print("startup")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("shutdown")
    await send({"type": "lifespan.shutdown.complete"})
