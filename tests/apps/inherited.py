# What a process sees of itself that it may have inherited (tests/it/processes/inherited.rs).
import ctypes
import json
import os
import platform
import resource
import signal

libc = ctypes.CDLL(None, use_errno=True)
add_key, request_key, keyctl, ioprio_get = {"aarch64": (217, 218, 219, 31)}.get(platform.machine(), (248, 249, 250, 252))
SESSION = -3


def status(name, whose="self"):
    lines = open(f"/proc/{whose}/status").read().splitlines()
    return next(line.split(":\t")[1].strip() for line in lines if line.startswith(name + ":"))


def planted_key():
    found = libc.syscall(keyctl, 10, SESSION, b"user", b"mw-planted", 0)
    seen = "mw-planted" in open("/proc/keys").read() if os.path.exists("/proc/keys") else False
    return [found >= 0, seen]


def facts():
    stat = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
    # Of this thread: glibc blocks all in one that is just creating another.
    ignored, blocked = int(status("SigIgn"), 16), int(status("SigBlk", "thread-self"), 16)
    named = [signal.SIGHUP, signal.SIGUSR2, signal.SIGALRM, signal.SIGTTOU]
    return {
        "keyring": planted_key(),
        "terminal": int(stat[4]),
        "session": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
        "personality": open("/proc/self/personality").read().strip(),
        "no_new_privs": status("NoNewPrivs"),
        "capabilities": [status(name) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
        "bounding": status("CapBnd"),
        "securebits": libc.prctl(27),
        "seccomp": status("Seccomp"),
        "interval_timer": signal.getitimer(signal.ITIMER_REAL),
        "posix_timers": open("/proc/self/timers").read() if os.path.exists("/proc/self/timers") else "",
        "oom_score_adj": open("/proc/self/oom_score_adj").read().strip(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "io_class": libc.syscall(ioprio_get, 1, 0) >> 13,
        "scheduler": os.sched_getscheduler(0),
        "affinity": sorted(os.sched_getaffinity(0)),
        "memlock": resource.getrlimit(resource.RLIMIT_MEMLOCK),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "umask": status("Umask"),
        "ignored": [int(s) for s in named if ignored >> (s - 1) & 1],
        "blocked": [int(s) for s in named if blocked >> (s - 1) & 1],
        "cwd": os.getcwd(),
        "root": os.readlink("/proc/self/root"),
        "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) < 9 or int(fd) == 77),
        "environment": sorted(name for name in os.environ if name.startswith("MW_")),
        "dumpable": libc.prctl(3),
        "timer_slack": str(libc.prctl(30)),
        "no_huge_pages": libc.prctl(42, 0, 0, 0, 0),
        "namespaces": {name: os.readlink("/proc/self/ns/" + name) for name in sorted(os.listdir("/proc/self/ns"))},
        "cgroup": open("/proc/self/cgroup").read(),
        "login": open("/proc/self/loginuid").read() if os.path.exists("/proc/self/loginuid") else "",
        "locks": [line for line in open("/proc/locks") if line.split()[4] == str(os.getpid())],
    }


def application(environ, start_response):
    start_response("200 OK", [("X-Pid", str(os.getpid()))])
    return [json.dumps(facts()).encode()]
