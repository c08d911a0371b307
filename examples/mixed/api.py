"""The service: FastAPI."""

from fastapi import FastAPI, WebSocket

app = FastAPI()


@app.get("/now")
async def now():
    return {"served by": "FastAPI"}


@app.websocket("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())
    await websocket.close()
