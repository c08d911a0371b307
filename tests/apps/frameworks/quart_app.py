"""As starlette_app.py, with Quart."""

import asyncio

from quart import Quart, request, websocket

app = Quart(__name__)
everybody = set()


@app.before_serving
async def begin():
    app.made = "at startup"


@app.after_serving
async def end():
    print("quart has ended")


@app.post("/form")
async def form():
    fields = await request.form
    return "%s is %s" % (fields["name"], fields["age"])


@app.post("/upload")
async def upload():
    file = (await request.files)["file"]
    return "%s %d" % (file.filename, len(file.read()))


@app.get("/stream")
async def stream():
    async def lines():
        for number in range(100):
            yield "%d\n" % number
            await asyncio.sleep(0)

    return lines(), {"Content-Type": "text/plain"}


@app.get("/events")
async def events():
    async def messages():
        for number in range(3):
            yield "data: %d\n\n" % number
            await asyncio.sleep(0.01)

    return messages(), {"Content-Type": "text/event-stream"}


@app.post("/later")
async def later():
    app.add_background_task(print, "quart: in the background")
    return "accepted"


@app.get("/state")
async def state():
    return app.made


@app.websocket("/echo")
async def echo():
    while True:
        await websocket.send(await websocket.receive())


@app.websocket("/broadcast")
async def broadcast():
    queue = asyncio.Queue()
    everybody.add(queue)

    async def send():
        while True:
            await websocket.send(await queue.get())

    sender = asyncio.ensure_future(send())
    try:
        while True:
            text = await websocket.receive()
            for one in everybody:
                one.put_nowait(text)
    finally:
        everybody.discard(queue)
        sender.cancel()
