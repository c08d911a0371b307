# Starts httpd as a shell with unusual settings would (tests/it/processes/inherited.rs): everything here is inherited.
import ctypes, fcntl, os, platform, resource, signal, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
add_key, keyctl, ioprio_set = {"aarch64": (217, 219, 30)}.get(platform.machine(), (248, 250, 251))
libc.personality(0x0040000)  # setarch -R
os.nice(3)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.umask(0o027)
os.chdir("/usr")
resource.setrlimit(resource.RLIMIT_MEMLOCK, (123 << 10, 123 << 10))
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
signal.setitimer(signal.ITIMER_REAL, 3600)
libc.prctl(29, 123456, 0, 0, 0)  # timer slack
libc.prctl(41, 1, 0, 0, 0)  # no huge pages
libc.prctl(1, signal.SIGTERM)  # death signal
os.dup2(os.open("/etc/passwd", os.O_RDONLY), 77, inheritable=True)
fcntl.flock(77, fcntl.LOCK_SH)
if os.geteuid() == 0:
    for score in (b"7", b"-500"):
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        try:
            os.write(file, score)
        except PermissionError:
            pass  # a container may not protect itself
        os.close(file)
    libc.syscall(keyctl, 1, b"mw-session")
    libc.syscall(add_key, b"user", b"mw-planted", b"secret", 6, -3)
    # Whoever possesses it, by the session, may do anything with it.
    libc.syscall(keyctl, 5, libc.syscall(keyctl, 10, -3, b"user", b"mw-planted", 0), 0x3F3F0000)
    libc.syscall(ioprio_set, 1, 0, 1 << 13 | 7)
    # CAP_NET_ADMIN, inheritable and ambient; and root's capabilities survive a change of the user.
    header, sets = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    libc.capget(header, sets)
    words = list(struct.unpack("6I", sets.raw))
    words[2] |= 1 << 12
    libc.capset(header, struct.pack("6I", *words))
    libc.prctl(47, 2, 12, 0, 0)
    libc.prctl(28, 1 << 2)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        pass  # not in this cgroup
os.execv(sys.argv[1], sys.argv[1:])
