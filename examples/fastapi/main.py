"""Items in memory, served by FastAPI."""

import asyncio
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, Request, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app):
    # What is given here is the state of each request.
    yield {"items": {1: "tea"}}


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    number: int
    name: str


async def items(request: Request):
    yield request.state.items


Items = Annotated[dict, Depends(items)]


@app.get("/items/{number}")
async def read(number: int, items: Items):
    return {"number": number, "name": items.get(number)}


def note(text):
    print(text)


@app.post("/items", status_code=201)
async def add(item: Item, background: BackgroundTasks, items: Items):
    items[item.number] = item.name
    background.add_task(note, f"added {item.name}")
    return item


@app.post("/upload")
def upload(file: UploadFile):
    # Not async: it runs on a thread.
    content = file.file.read()
    return {"name": file.filename, "length": len(content), "sum": sum(content)}


@app.get("/events")
async def events():
    async def numbers():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(numbers(), media_type="text/event-stream")


@app.get("/fail")
async def fail():
    raise ValueError("this endpoint always fails")


@app.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect as left:
        print("left with", left.code)
