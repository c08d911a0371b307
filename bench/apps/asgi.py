"""What the ASGI scenarios ask for: 13 bytes, a document of JSON, and a WebSocket that echoes."""

import json

ROWS = [{"number": number, "name": "item %d" % number, "price": number / 4} for number in range(20)]
PLAIN = [(b"content-type", b"text/plain"), (b"content-length", b"13")]


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    if scope["path"] == "/json":
        body = json.dumps({"rows": ROWS}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    else:
        body, headers = b"Hello, world!", PLAIN
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
