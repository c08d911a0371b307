"""A client of WebSockets by the package websockets: `client.py ws://... | wss://...` says how echoes and broadcasts went."""

import asyncio
import ssl
import sys

import websockets


async def talk(url):
    context = None
    if url.startswith("wss:"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    options = {"ssl": context} if context else {}
    async with websockets.connect(url + "echo", **options) as client:
        for text in ("one", "tw\u00f6", "x" * 100_000):
            await client.send(text)
            assert await client.recv() == text
    async with websockets.connect(url + "broadcast", **options) as one:
        async with websockets.connect(url + "broadcast", **options) as two:
            await one.send("first")
            assert await one.recv() == "first"
            await two.send("second")
            assert await one.recv() == "second"
            # It may have heard the first one too, if it was there in time.
            while await two.recv() != "second":
                pass


asyncio.run(talk(sys.argv[1]))
print("all is well")
