"""What is measured: CPU time and memory of a process tree (from /proc), the noise of other work on the machine, and the
output of wrk."""

import os
import pathlib
import re
import resource
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")
#: cores of foreign work (steal included) above which a round counts as noisy
NOISY = 0.15


def tree(*roots):
    """Process ids of the roots and of all their descendants, also of those with a session of their own."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, queue = [], list(roots)
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def cpu_seconds(pids, reaped=True):
    """CPU seconds used so far, by default with those of children that have ended and were waited for."""
    total = 0
    for pid in pids:
        try:
            fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(n) for n in fields[11:15 if reaped else 13])
    return total / TICK


def role(pid, parent):
    """What a process of a server is: "parent", "child" (of httpd), "daemon" (runs Python), "supervisor" or "backend"."""
    try:
        command = open("/proc/%d/cmdline" % pid, "rb").read().replace(b"\0", b" ").decode(errors="replace")
        executable = os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return "gone"
    if pid == parent:
        return "parent"
    if "bench-daemon" in command:  # display-name= of every daemon group here
        return "daemon"
    if "wsgi-supervisor" in executable or "wsgi-supervisor" in command:
        return "supervisor"
    if "apache2" in executable or "httpd" in executable:
        return "child"
    return "backend"


def memory(pid):
    """(PSS, private) of a process in KiB, or None when it has gone."""
    try:
        rollup = open("/proc/%d/smaps_rollup" % pid).read()
    except OSError:
        return None
    found = dict(re.findall(r"^(Pss|Private_Clean|Private_Dirty):\s+(\d+)", rollup, re.M))
    if "Pss" not in found:
        return None
    return int(found["Pss"]), int(found["Private_Clean"]) + int(found["Private_Dirty"])


def memory_by_role(pids, parent):
    """KiB of PSS: of the whole tree, and the mean of the processes of each role (None where there is none)."""
    sizes = {}
    for pid in pids:
        size = memory(pid)
        if size:
            sizes.setdefault(role(pid, parent), []).append(size)
    found = {"pss": sum(pss for rows in sizes.values() for pss, _ in rows)}
    for name in ("parent", "child", "daemon", "supervisor"):
        rows = sizes.get(name)
        found["pss_" + name] = sum(pss for pss, _ in rows) / len(rows) if rows else None
        found["private_" + name] = sum(private for _, private in rows) / len(rows) if rows else None
    return found


def wakeups(pids):
    """How often the threads of these processes have gone to sleep so far: somebody woke them as often, or a clock did."""
    total = 0
    for pid in pids:
        for status in pathlib.Path("/proc/%d/task" % pid).glob("*/status"):
            try:
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M).group(1))
            except OSError:
                continue  # it has ended
    return total


def idle_python(python, script):
    """KiB of PSS of a Python that has read the same application and waits: what no daemon can do without."""
    program = ("import sys; exec(compile(open({0!r}).read(), {0!r}, 'exec'), dict(__file__={0!r}, __name__='app')); "
               "print(flush=True); sys.stdin.read()").format(str(script))
    with subprocess.Popen([str(python), "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        size = memory(process.pid)
        process.stdin.close()
    return size and size[0]


class Noise:
    """How busy everything else was between start and stop(): cores of foreign work, and cores stolen by the hypervisor."""

    def __init__(self, server=None):
        self.server, self.own, self.machine, self.time = server, self.known(server), self.busy(), time.time()

    @staticmethod
    def known(server):
        ours = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return ours + (server.cpu() if server and server.process else 0)

    @staticmethod
    def busy():
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, open("/proc/stat").readline().split()[1:9])
        return (user + nice + system + irq + softirq) / TICK, steal / TICK

    def stop(self):
        wall = max(time.time() - self.time, 1e-3)
        (busy, steal), own = self.busy(), self.known(self.server)
        foreign = busy - self.machine[0] - (own - self.own)
        return {"foreign": max(foreign, 0) / wall, "steal": (steal - self.machine[1]) / wall}


def wait_quiet(limit=600):
    """Waits until nothing else uses the machine for a second; gives up after `limit` seconds. True when it is quiet."""
    deadline, told = time.time() + limit, False
    while time.time() < deadline:
        noise = Noise()
        time.sleep(1)
        found = noise.stop()
        if found["foreign"] + found["steal"] < NOISY:
            return True
        if not told:
            told = True
            print("waiting for a quiet machine (%.2f cores of other work)" % found["foreign"], file=sys.stderr)
    print("the machine did not become quiet in %d s; measuring all the same" % limit, file=sys.stderr)
    return False


def wrk_command(server, path, connections, seconds, extra=()):
    return ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency", *extra,
            "http://127.0.0.1:%d%s" % (server.port, path)]


def parse_wrk(text):
    """Numbers of one output of wrk: requests, requests per second, latencies in microseconds, and what went wrong."""
    found = re.search(r"(\d+) requests in", text)
    if not found:
        raise RuntimeError("wrk says: %s" % text.strip()[-200:])
    requests = int(found.group(1))
    latency = {p: micros(re.search(r"^\s+%s%%\s+(\S+)\s*$" % p, text, re.M).group(1)) for p in ("50", "99")}
    if not requests:
        latency = {"50": None, "99": None}  # wrk says 0
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    kinds = dict(zip(("connect", "read", "write", "timeout"), map(int, broken.groups()))) if broken else {}
    kinds["status"] = int(bad.group(1)) if bad else 0
    problems = ["%s errors %d" % item for item in kinds.items() if item[1]] + ([] if requests else ["no answer at all"])
    return {
        "requests": requests,
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
        "p50": latency["50"], "p99": latency["99"], "errors": sum(kinds.values()),
        "problems": ", ".join(problems),
    }


def wrk(server, path, connections, seconds, extra):
    """One run of wrk against a started server, with the server's CPU per request (`cpu`, µs) and cores used (`busy`)."""
    noise, before, began = Noise(server), server.cpu(), time.time()
    text = subprocess.run(wrk_command(server, path, connections, seconds, extra), capture_output=True, text=True,
                          check=True).stdout
    cpu, wall = server.cpu() - before, time.time() - began
    row = parse_wrk(text)
    row.update(cpu=cpu / max(row["requests"], 1) * 1e6, busy=cpu / wall, **noise.stop())
    return row


def micros(text):
    for unit, factor in (("us", 1), ("ms", 1e3), ("s", 1e6), ("m", 6e7)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor
    return float(text)
