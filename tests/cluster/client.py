"""The load of cluster.py: threads that send requests to the front until a file says stop, and note each with its times,
status and what came back. Runs in the client's network namespace."""

import http.client
import itertools
import pathlib
import sys
import threading
import time

ADDRESS = ("10.78.0.1", 80)


def main():
    folder, threads, pause = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    prefix = sys.argv[4]
    numbers, lock = itertools.count(), threading.Lock()
    out = open(folder / f"records-{prefix}", "w", buffering=1)

    def client():
        wire = None
        while not (folder / f"stop-{prefix}").exists():
            number = next(numbers)
            name, method = f"{prefix}-{number}", "POST" if number % 3 == 0 else "GET"
            begin = time.time()
            try:
                wire = wire or http.client.HTTPConnection(*ADDRESS, timeout=90)
                wire.request(method, f"/?{name}", body=b"x" * 1000 if method == "POST" else None)
                response = wire.getresponse()
                text = response.read().decode(errors="replace").split()
                said = f"{response.status} {text[0] if response.status == 200 and text else '-'}"
                if response.will_close:
                    wire.close()
                    wire = None
            except (OSError, http.client.HTTPException) as error:
                wire.close()
                wire = None
                said = f"{type(error).__name__} -"
            with lock:
                out.write(f"{name} {method} {begin:.6f} {time.time():.6f} {said}\n")
            if pause:
                time.sleep(pause)

    running = [threading.Thread(target=client) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


if __name__ == "__main__":
    main()
