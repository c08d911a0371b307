"""As starlette_app.py, with Litestar."""

import asyncio
import contextlib

from litestar import Litestar, Request, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import WebSocketDisconnect
from litestar.response import Response, ServerSentEvent, Stream

everybody = set()


@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.made = "at startup"
    yield
    print("litestar has ended")


@post("/form", media_type="text/plain", status_code=200)
async def form(request: Request) -> str:
    fields = await request.form()
    return "%s is %s" % (fields["name"], fields["age"])


@post("/upload", media_type="text/plain", status_code=200)
async def upload(request: Request) -> str:
    file = (await request.form())["file"]
    return "%s %d" % (file.filename, len(await file.read()))


@get("/stream")
async def stream() -> Stream:
    async def lines():
        for number in range(100):
            yield "%d\n" % number
            await asyncio.sleep(0)

    return Stream(lines(), media_type="text/plain")


@get("/events")
async def events() -> ServerSentEvent:
    async def messages():
        for number in range(3):
            yield str(number)
            await asyncio.sleep(0.01)

    return ServerSentEvent(messages())


@post("/later", status_code=200)
async def later() -> Response[str]:
    task = BackgroundTask(print, "litestar: in the background")
    return Response("accepted", background=task, media_type="text/plain")


@get("/state", media_type="text/plain")
async def state(request: Request) -> str:
    return request.app.state.made


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(await socket.receive_text())


@websocket("/broadcast")
async def broadcast(socket: WebSocket) -> None:
    await socket.accept()
    everybody.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for one in list(everybody):
                await one.send_text(text)
    except WebSocketDisconnect:
        everybody.discard(socket)


app = Litestar([form, upload, stream, events, later, state, echo, broadcast], lifespan=[lifespan])
