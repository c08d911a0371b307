# Answers with what its process is: ids, user, folder, Python. The query string may ask it to sleep or to end.
import json
import os
import sys
import time


def application(environ, start_response):
    action, _, argument = environ["QUERY_STRING"].partition("=")
    if action == "sleep":
        if float(argument) >= 1:
            print("here it sleeps", file=environ["wsgi.errors"], flush=True)
        time.sleep(float(argument))
    elif action == "exit":
        os._exit(int(argument))
    elif action == "kill":
        os.kill(os.getpid(), int(argument))
        time.sleep(5)
    with open("/proc/self/cmdline", "rb") as file:
        command = file.read().replace(b"\0", b" ").decode("latin-1")
    about = {
        "base_prefix": sys.base_prefix,
        "command": command,
        "cwd": os.getcwd(),
        "executable": sys.executable,
        "gid": os.getgid(),
        "group": environ["mod_wsgi.process_group"],
        "groups": sorted(os.getgroups()),
        "home": os.environ.get("HOME"),
        "path": sys.path,
        "orig_argv": getattr(sys, "orig_argv", None),
        "pid": os.getpid(),
        "prefix": sys.prefix,
        "setting": environ.get("SETTING"),
        "uid": os.getuid(),
        "version": "%d.%d.%d" % sys.version_info[:3],
    }
    data = json.dumps(about).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]
