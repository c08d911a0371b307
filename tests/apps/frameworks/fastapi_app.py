"""As starlette_app.py, with FastAPI: dependencies, one of them with a lifespan of its own."""

import asyncio
import contextlib
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, File, Form, Request, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse, StreamingResponse

everybody = set()
given_back = []


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"made": "at startup"}
    print("fastapi has ended,", "a resource was given back" if given_back else "nothing was given back")


app = FastAPI(lifespan=lifespan)


async def resource(request: Request):
    yield request.state.made
    given_back.append(1)


@app.post("/form", response_class=PlainTextResponse)
async def form(name: Annotated[str, Form()], age: Annotated[int, Form()]):
    return f"{name} is {age}"


@app.post("/upload", response_class=PlainTextResponse)
async def upload(file: Annotated[UploadFile, File()]):
    return f"{file.filename} {len(await file.read())}"


@app.get("/stream")
async def stream():
    async def lines():
        for number in range(100):
            yield f"{number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/events")
async def events():
    async def messages():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(messages(), media_type="text/event-stream")


@app.post("/later", response_class=PlainTextResponse)
async def later(tasks: BackgroundTasks):
    tasks.add_task(print, "fastapi: in the background")
    return "accepted"


@app.get("/state", response_class=PlainTextResponse)
def state(made: Annotated[str, Depends(resource)]):
    return made


@app.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(await socket.receive_text())


@app.websocket("/broadcast")
async def broadcast(socket: WebSocket):
    await socket.accept()
    everybody.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for one in list(everybody):
                await one.send_text(text)
    except WebSocketDisconnect:
        everybody.discard(socket)
