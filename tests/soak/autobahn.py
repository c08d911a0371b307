#!/usr/bin/env python3
"""The Autobahn test suite's fuzzing client against an ASGI application that echoes. Ends badly if a case fails; see
docs/soak.md."""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import soak

#: Compression is not offered.
LEFT_OUT = ["12.*", "13.*"]
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


class SocketServer(soak.Server):
    """One with a group of ASGI besides."""

    def configuration(self):
        shutil.copy(soak.HERE / "sockets_app.py", self.root / "app/sockets_app.py")
        live = ("WSGIDaemonProcess live threads=4 interface=asgi\n"
                f"WSGIScriptAlias /live {self.root}/app/sockets_app.py process-group=live application-group=%{{GLOBAL}}\n")
        return super().configuration().replace("WSGIScriptAlias / ", live + "WSGIScriptAlias / ")  # the first one counts


def cases_of(port, excluded):
    """What the suite says of each case."""
    name = "mod_wsgi"
    with tempfile.TemporaryDirectory() as folder:
        spec = pathlib.Path(folder) / "spec.json"
        url = f"ws://127.0.0.1:{port}/live/socket"
        spec.write_text(json.dumps({
            "outdir": "/root/reports", "servers": [{"agent": name, "url": url, "options": {"version": 18}}],
            "cases": ["*"], "exclude-cases": excluded, "exclude-agent-cases": {}}))
        subprocess.run([soak.TREE / "scripts/autobahn.sh", spec, folder], check=True)
        return json.loads((pathlib.Path(folder) / "index.json").read_text())[name]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true", help="without section 9 (large messages), which takes minutes")
    options = parser.parse_args()
    server = SocketServer("event", soak.TREE / "build/lib")
    try:
        cases = cases_of(server.port, LEFT_OUT + (["9.*"] if options.short else []))
    finally:
        left = server.stop()
    subprocess.run(["rm", "-rf", str(server.root)], check=True)
    counts = collections.Counter(case["behavior"] for case in cases.values())
    print(f"{len(cases)} cases: {dict(counts)}", flush=True)
    bad = {key: case for key, case in cases.items() if case["behavior"] not in GOOD or case["behaviorClose"] not in GOOD}
    for key, case in sorted(bad.items()):
        print(f"  {key}: {case['behavior']}, closing {case['behaviorClose']}")
    if left:
        print(f"left behind: {left}")
    sys.exit(bool(bad or left or not cases))


if __name__ == "__main__":
    main()
