"""Two tabs of headless Chromium with the chat page of examples/channels: `browser.py URL CHROMIUM`.

Each sees what the other says."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

import websockets


def until(probe, what):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        time.sleep(0.1)
    raise SystemExit("browser: waited too long for " + what)


class Tab:
    """A tab, by the protocol of Chromium's developer tools."""

    def __init__(self, port, url):
        request = urllib.request.Request("http://127.0.0.1:%d/json/new?%s" % (port, url), method="PUT")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            self.address = json.load(answer)["webSocketDebuggerUrl"]
        self.number = 0

    async def __aenter__(self):
        self.wire = await websockets.connect(self.address, max_size=None)
        return self

    async def __aexit__(self, *_):
        await self.wire.close()

    async def run(self, script):
        self.number += 1
        parameters = {"expression": script, "returnByValue": True}
        await self.wire.send(json.dumps({"id": self.number, "method": "Runtime.evaluate", "params": parameters}))
        while True:
            answer = json.loads(await self.wire.recv())
            if answer.get("id") == self.number:
                return answer["result"]["result"].get("value")

    async def sees(self, text):
        end = time.monotonic() + 30
        while text not in (await self.run("document.body.innerText") or ""):
            if time.monotonic() > end:
                raise SystemExit("browser: %r is not in %r" % (text, await self.run("document.body.innerText")))
            await asyncio.sleep(0.1)

    async def says(self, text):
        await self.run(SAY % json.dumps(text))


SAY = """(() => {
    const field = document.querySelector("input");
    field.value = %s;
    field.form.requestSubmit();
})()"""


async def both(one, two):
    """Until the sockets of both are open."""
    for tab in (one, two):
        end = time.monotonic() + 30
        while await tab.run("socket.readyState") != 1:
            if time.monotonic() > end:
                raise SystemExit("browser: a socket does not open")
            await asyncio.sleep(0.1)


async def chat(port, url):
    async with Tab(port, url) as one, Tab(port, url) as two:
        await both(one, two)
        await one.says("from the first")
        for tab in (one, two):
            await tab.sees("from the first")
        await two.says("from the second")
        for tab in (one, two):
            await tab.sees("from the second")
        # Whoever runs this restarts the server gracefully, and says so by a line.
        print("restart", flush=True)
        sys.stdin.readline()
        await both(one, two)
        await two.says("after the restart")
        for tab in (one, two):
            await tab.sees("after the restart")


def main():
    url, program = sys.argv[1:]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                   "--no-proxy-server", "--user-data-dir=" + folder, "about:blank"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            file = os.path.join(folder, "DevToolsActivePort")
            until(lambda: os.path.exists(file) and "\n" in open(file).read(), "Chromium")
            asyncio.run(chat(int(open(file).read().split("\n")[0]), url))
        finally:
            browser.terminate()
            browser.wait()
    print("all is well")


main()
