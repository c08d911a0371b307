"""What each of these applications does, here with Starlette: forms, uploads, streams, events, background, WebSockets."""

import asyncio
import contextlib

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

everybody = set()


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"made": "at startup"}
    print("starlette has ended")


async def form(request):
    fields = await request.form()
    return PlainTextResponse("%s is %s" % (fields["name"], fields["age"]))


async def upload(request):
    fields = await request.form()
    file = fields["file"]
    return PlainTextResponse("%s %d" % (file.filename, len(await file.read())))


async def stream(request):
    async def lines():
        for number in range(100):
            yield "%d\n" % number
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/plain")


async def events(request):
    async def messages():
        for number in range(3):
            yield "data: %d\n\n" % number
            await asyncio.sleep(0.01)

    return StreamingResponse(messages(), media_type="text/event-stream")


async def later(request):
    return PlainTextResponse("accepted", background=BackgroundTask(print, "starlette: in the background"))


async def state(request):
    return PlainTextResponse(request.state.made)


async def echo(socket):
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


async def broadcast(socket):
    await socket.accept()
    everybody.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for one in list(everybody):
                await one.send_text(text)
    except WebSocketDisconnect:
        everybody.discard(socket)


application = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/form", form, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        Route("/events", events),
        Route("/later", later, methods=["POST"]),
        Route("/state", state),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/broadcast", broadcast),
    ],
)
