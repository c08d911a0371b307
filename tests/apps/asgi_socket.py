"""WebSockets without a framework: a path for each thing that a test wants to see."""

import asyncio
import json
import os
import signal
import time


async def echo(scope, receive, send):
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            print("closed by", message["code"], message["reason"])
            return
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def show(scope, receive, send):
    protocols = scope["subprotocols"]
    headers = [(b"x-own", b"value"), (b"upgrade", b"h2c"), (b"content-length", b"5"), (b"set-cookie", b"a=b")]
    await send({"type": "websocket.accept", "subprotocol": protocols[-1] if protocols else None, "headers": headers})
    text = json.dumps([scope["type"], scope["scheme"], scope["path"], protocols, "method" in scope, scope["state"]])
    await send({"type": "websocket.send", "text": text})
    await send({"type": "websocket.close", "code": 4001, "reason": "enough"})


async def refuse(scope, receive, send):
    await send({"type": "websocket.close"})


async def deny(scope, receive, send):
    assert "websocket.http.response" in scope["extensions"]
    await send({"type": "websocket.http.response.start", "status": 418, "headers": [(b"x-why", b"tea")]})
    await send({"type": "websocket.http.response.body", "body": b"no ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"coffee"})


async def fail(scope, receive, send):
    await send({"type": "websocket.accept"})
    raise ValueError("in the midst of a WebSocket")


async def leave(scope, receive, send):
    await send({"type": "websocket.accept"})


async def burst(scope, receive, send):
    # More than a socket holds.
    await send({"type": "websocket.accept"})
    for number in range(200):
        await send({"type": "websocket.send", "bytes": bytes([number]) * 50000})
    await receive()


async def late(scope, receive, send):
    # Reads nothing until it is told to.
    await send({"type": "websocket.accept"})
    await asyncio.sleep(0.2)
    length = 0
    while length < 2000:
        message = await receive()
        length += len(message["text"])
    await send({"type": "websocket.send", "text": str(length)})
    await receive()


poured = 0


async def pour(scope, receive, send):
    # More than any socket holds.
    global poured
    await send({"type": "websocket.accept"})
    for count in range(1, 2001):
        await send({"type": "websocket.send", "bytes": bytes(50000)})
        poured = count
    await receive()


async def fork(scope, receive, send):
    # A child lives on when its parent is killed.
    await send({"type": "websocket.accept"})
    await receive()
    if os.fork() == 0:
        folder = os.path.dirname(__file__)
        for _ in range(200):
            if os.path.exists(folder + "/end"):
                break
            time.sleep(0.05)
        else:
            open(folder + "/late", "w").close()
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


go = asyncio.Event()


async def later(scope, receive, send):
    # Reads nothing before a request for /go.
    await send({"type": "websocket.accept"})
    await go.wait()
    count = 0
    while (await receive())["type"] == "websocket.receive":
        count += 1
    print("had", count, "messages")


def hasten():
    # Pings, which come every 20 seconds, come every two fifths of one.
    loop = asyncio.get_running_loop()
    usual = loop.call_later
    loop.call_later = lambda delay, *rest: usual(delay / 50 if delay == 20 else delay, *rest)


everybody = set()


async def chat(scope, receive, send):
    await send({"type": "websocket.accept"})
    everybody.add(send)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            everybody.discard(send)
            return
        for one in list(everybody):
            try:
                await one({"type": "websocket.send", "text": message["text"]})
            except OSError:
                everybody.discard(one)


PATHS = {
    "/burst": burst,
    "/chat": chat,
    "/deny": deny,
    "/echo": echo,
    "/fail": fail,
    "/fork": fork,
    "/late": late,
    "/later": later,
    "/leave": leave,
    "/pour": pour,
    "/refuse": refuse,
}


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    if scope["type"] == "http":
        if scope["path"] == "/go":
            go.set()
        if scope["path"] == "/hasten":
            hasten()
        await send({"type": "http.response.start", "status": 426})
        body = str(poured).encode() if scope["path"] == "/poured" else b"plain"
        return await send({"type": "http.response.body", "body": body})
    assert (await receive())["type"] == "websocket.connect"
    await PATHS.get(scope["path"], show)(scope, receive, send)
