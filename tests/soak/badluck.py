#!/usr/bin/env python3
"""Operators and bad luck: the load of soak.py, while what goes wrong on real servers goes wrong at random, one thing or two
at a time. No request may be lost but those whose own process was killed, and everything has to be as before within ten
seconds of the end of the cause. The seed is printed; --seed repeats the choices. See docs/soak.md."""

import argparse
import collections
import http.client
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

import soak
from soak import Load, Server, Soak, wait

INSIDE = "MOD_WSGI_BADLUCK_NAMESPACE"
# Together they leave a group without any process: the old ones end with their supervisor, and new ones cannot be had.
GIVES_UP = {"supervisor killed", "supervisor frozen over a graceful restart", "crashing client", "operator scales"}
NOTHING_TO_START = {"interpreter gone", "sockets without room", "sockets without room over a graceful restart"}
# What ends processes: the next ones have no code but the broken one.
ENDS = {"process", "supervisor", "interpreter", "descriptors", "crashing", "listener"}
SHARED_MEMORY = pathlib.Path("/dev/shm")
PYTHON = pathlib.Path("/usr/bin/python3")


class Unlucky(Server):
    """A server whose sockets lie in a small file system, and whose interpreter can go away."""

    def configuration(self):
        self.sockets = self.root / "sockets"
        self.sockets.mkdir()
        if os.geteuid() == 0:
            small = ["mount", "-t", "tmpfs", "-o", "nr_inodes=200,mode=755", "small", self.sockets]
            subprocess.run(small, check=True)
        self.home = self.root / "home"
        (self.home / "bin").mkdir(parents=True)
        (self.home / "bin/python3").symlink_to(PYTHON)
        (self.home / "pyvenv.cfg").write_text(f"home = {PYTHON.parent}\n")
        (self.root / "app/part.py").touch()
        self.logs = self.root / "logs"
        self.logs.mkdir()
        if os.geteuid() == 0:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "logs", self.logs], check=True)
        self.log = self.logs / "error.log"
        text = super().configuration()
        text = text.replace(f"WSGISocketPrefix {self.root}/run/wsgi", f"WSGISocketPrefix {self.sockets}/wsgi")
        return text.replace("threads=12", f"threads=12 python-home={self.home}")

    def control(self):
        return next(self.sockets.glob("wsgi.*.control"))

    def supervisor(self):
        """Its process, also when it does not answer."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return next(int(pid) for pid in children if "wsgi-supervisor" in soak.command(int(pid)))

    def stop(self):
        left = super().stop()
        if os.path.ismount(self.sockets):
            left += [str(path) for path in self.sockets.iterdir()]
            subprocess.run(["umount", self.sockets], check=False)
            kept = self.root / "error.log"
            kept.write_text(self.log_text())
            subprocess.run(["umount", self.logs], check=False)
            self.log = kept
        return left

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()


class BadLuck(Soak):
    """One run under one MPM. Each fault is a pair: how it begins, and how its cause ends."""

    def __init__(self, arguments, mpm):
        super().__init__(arguments, mpm)
        self.counts = collections.Counter()
        self.healed = []
        self.frozen = None
        self.filled = []
        self.late = []
        self.sacrifices = 0
        self.deserted = []  # from when to when there could be no process
        # An interpreter that is gone, sockets without room, a supervisor that was given up.
        self.expected = re.compile("cannot execute the interpreter|No space left on device|is not started: |WSGI0304|"
                                   "supervisor of the daemon processes could not be started|WSGI0311")

    def make_server(self):
        return Unlucky(self.mpm, self.arguments.library)

    def faults(self):
        """Name, begin, end; what excludes each other begins with the same word."""
        faults = [
            ("process killed", self.kill_one, None),
            ("supervisor killed", self.kill_supervisor, None),
            ("supervisor frozen", self.freeze, self.thaw),
            ("supervisor frozen over a graceful restart", self.freeze_and_restart, self.thaw),
            ("supervisor without its program", self.hide_program, self.put_program_back),
            ("httpd graceful twice", self.twice, None),
            ("httpd graceful again and again", lambda: [self.server.graceful() for _ in range(6)], None),
            ("script touched", self.touch, None),
            ("script touched again and again", self.touch_often, None),
            ("script broken", self.break_script, self.repair),
            ("script that hangs", self.hang_script, self.repair),
            ("script with a broken module", self.break_module, self.repair_module),
            ("interpreter gone", self.remove_home, self.put_home_back),
            ("sockets removed", self.remove_sockets, None),
            ("listener shut down", self.shut_listener, None),
            ("operator restarts", self.restart, None),
            ("operator scales", lambda: self.operate("scale", "1"), lambda: self.operate("scale", "3")),
            ("descriptors used up", self.use_up_descriptors, None),
            ("descriptors closed", lambda: self.sacrifice("/close"), None),
            ("crashing client", self.crash, None),
        ]
        if os.geteuid() == 0:
            faults += [("memory files without room", self.fill_shared_memory, self.empty_shared_memory)]
            faults += [("log without room", self.fill_log, self.empty_log)]
            faults += [("sockets without room", self.fill, self.make_room)]
            faults += [("sockets without room over a graceful restart", self.fill_and_restart, self.make_room)]
        return faults

    def kill_one(self):
        pids = [pid for pid in soak.descendants(self.server.pid) if soak.command(pid).startswith("(wsgi:soak")]
        if pids:
            pid = self.random.choice(sorted(pids))
            self.killed.add(pid)
            if self.frozen or "supervisor killed" in self.active:
                self.unseen_deaths.add(pid)
            self.kills.append(time.monotonic())
            os.kill(pid, signal.SIGKILL)

    def kill_supervisor(self):
        self.unseen_deaths |= self.killed
        os.kill(self.server.supervisor(), signal.SIGKILL)

    def freeze(self):
        self.frozen = self.server.supervisor()
        os.kill(self.frozen, signal.SIGSTOP)

    def freeze_and_restart(self):
        self.freeze()
        self.unseen_deaths |= self.killed
        self.server.graceful()

    def thaw(self):
        try:
            os.kill(self.frozen, signal.SIGCONT)
        except ProcessLookupError:
            pass  # it was given up
        self.frozen = None

    def twice(self):
        self.server.graceful()
        self.server.graceful()

    def break_script(self):
        """A process that was just started loads the script with its first request, and has nothing older to fall back on."""
        wait(self.server.settled, self.arguments.patience)
        wait(self.all_loaded, self.arguments.patience)
        kind = self.random.choice(["import nothing_of_that_name\n", "def (:\n", "application = None\n", ""])
        self.server.script.write_text(kind + self.server.source if kind.startswith("import") else kind)

    def hang_script(self):
        wait(self.server.settled, self.arguments.patience)
        wait(self.all_loaded, self.arguments.patience)
        self.server.script.write_text("import time\ntime.sleep(1000)\n" + self.server.source)

    def break_module(self):
        """The script is touched, so that the module is imported once more; its repair is all that follows."""
        wait(self.server.settled, self.arguments.patience)
        wait(self.all_loaded, self.arguments.patience)
        (self.server.root / "app/part.py").write_text("def (:\n")
        self.touch()

    def repair_module(self):
        (self.server.root / "app/part.py").write_text("# repaired\n")

    def touch_often(self):
        for _ in range(10):
            self.touch()
            time.sleep(0.1)

    def hide_program(self):
        program = self.server.root / "lib/mod_wsgi/wsgi-supervisor"
        program.rename(program.with_suffix(".aside"))
        self.kill_supervisor()

    def put_program_back(self):
        program = self.server.root / "lib/mod_wsgi/wsgi-supervisor"
        program.with_suffix(".aside").rename(program)

    def sacrifice(self, path):
        """A request that its process does not survive: what else that process runs may be lost with it."""
        self.sacrifices += 1
        name = f"sacrifice-{self.sacrifices}"
        self.kills.append(time.monotonic())
        try:
            self.server.ask(f"{path}?{name}")
        except (OSError, http.client.HTTPException):
            pass
        found = re.search(rf"^{name} (\d+)$", (self.server.root / "app/started").read_text(), re.M)
        if found:
            self.killed.add(int(found[1]))
            self.unseen_deaths.add(int(found[1]))  # told in other words
        self.kills.append(time.monotonic())

    def crash(self):
        for _ in range(4):
            self.sacrifice("/crash")
            time.sleep(0.3)

    def shut_listener(self):
        seen = self.server.log_text().count("WSGI0331")
        self.server.ask("/shut?start")
        # Its process is replaced when the supervisor looks: a script that is broken before has no old code there.
        wait(lambda: self.server.log_text().count("WSGI0331") > seen, 4)

    def fill_shared_memory(self):
        fill_up(SHARED_MEMORY / "filled")

    def empty_shared_memory(self):
        (SHARED_MEMORY / "filled").unlink()

    def fill_log(self):
        self.unseen_deaths |= self.killed
        fill_up(self.server.logs / "filled")

    def empty_log(self):
        (self.server.logs / "filled").unlink()

    def repair(self):
        self.server.script.write_text(self.server.source)
        os.utime(self.server.script)

    def remove_home(self):
        self.server.home.rename(self.server.root / "home.gone")
        self.kill_one()

    def put_home_back(self):
        (self.server.root / "home.gone").rename(self.server.home)
        # A restart that fails is told to the operator, who repeats it: nothing asks for it by itself.
        if any(name == "operator restarts" for name in self.active):
            self.restart()

    def remove_sockets(self):
        for path in self.server.sockets.iterdir():
            if path.is_socket() and self.random.random() < 0.7:
                path.unlink(missing_ok=True)

    def restart(self):
        self.operate("restart")

    def operate(self, what, *arguments):
        program = self.server.root / "lib/mod_wsgi/mod_wsgi-ctl"
        subprocess.run([program, "--socket", self.server.control(), "--no-wait", what, "soak", *arguments],
                       capture_output=True, check=False)

    def use_up_descriptors(self):
        self.server.ask("/descriptors?start")

    def fill(self):
        for number in range(1000):
            path = self.server.sockets / f"filled{number}"
            try:
                path.touch()
            except OSError:
                break
            self.filled.append(path)

    def fill_and_restart(self):
        self.fill()
        self.server.graceful()

    def make_room(self):
        for path in self.filled:
            path.unlink()
        self.filled = []

    def choose(self):
        """One fault, or two that have nothing to do with each other."""
        faults = self.faults()
        chosen = [self.random.choice(faults)]
        if chosen[0][0] != "log without room" and self.random.random() < 0.4:  # there the run looks for lines
            other = self.random.choice(faults)
            words = {name.split()[0] for name, *_ in (chosen[0], other)}
            is_scaled = "operator scales" in (chosen[0][0], other[0])
            if len(words) == 2 and other[0] != "log without room" \
                    and not ("script" in words and (words & ENDS or is_scaled)):
                chosen.append(other)
        return chosen

    def strike(self):
        chosen = self.choose()
        begun = time.monotonic()
        self.active = [name for name, *_ in chosen]
        names = set(self.active)
        print(f"{self.mpm}: {time.strftime('%H:%M:%S')} {' + '.join(self.active)}", flush=True)
        for name, begin, _ in chosen:
            self.counts[name] += 1
            try:
                begin()
            except (StopIteration, OSError, TimeoutError) as error:  # nobody is there whom it could strike
                print(f"{self.mpm}: {name}: {type(error).__name__}: {error}", flush=True)
            time.sleep(self.random.random())
        time.sleep(self.random.choice([0, 0.2, 1, 4]))
        for *_, end in chosen:
            if end:
                end()
        self.active = []
        ended = time.monotonic()
        try:
            wait(self.is_well, self.arguments.patience)
        except TimeoutError:
            pass
        if self.can_have_none(names):
            self.deserted.append((begun, time.monotonic()))
        took = time.monotonic() - ended
        self.healed.append(took)
        if took > self.arguments.limit:
            self.late.append(f"{' + '.join(name for name, *_ in chosen)}: healed after {took:.1f} s")
            print(f"{self.mpm}: {self.late[-1]}", flush=True)

    def is_well(self):
        """A fresh connection is served, all processes are there, and none serves something that is not meant."""
        return self.server.ask("/work?start") == 200 and self.server.settled()

    @staticmethod
    def can_have_none(names):
        if "supervisor without its program" in names:
            return True
        is_given_up = names & GIVES_UP or names >= {"supervisor frozen", "sockets without room over a graceful restart"}
        return bool(is_given_up and names & NOTHING_TO_START)

    def judge(self, load, left, seconds):
        """Where there can be no process, requests that none has seen are answered 503 until all is well again."""
        lines = (self.server.root / "app/started").read_text().splitlines()
        started = {line.partition(" ")[0]: int(line.partition(" ")[2]) for line in lines}

        def is_refused(kind, name, problem, moment):
            is_unseen = problem.startswith("503") and name not in started
            # It goes on sending for a second, or does not come to read the answer.
            is_unseen |= kind == "upload" and "Broken pipe" in problem and name not in started
            late = 2 if kind == "upload" else 0
            # h2load counts all of 500 and above as one; streams that were begun are looked at one by one.
            is_unseen |= kind == "http2" and problem == "502"
            return is_unseen and any(begin <= moment <= end + late for begin, end in self.deserted)

        def is_crippled(kind, name, problem, moment):
            """An application without descriptors says 500."""
            return problem.startswith("500") and started.get(name) in self.killed
        refused = [failure for failure in load.failures if is_refused(*failure)]
        load.failures = [failure for failure in load.failures
                         if not is_refused(*failure) and not is_crippled(*failure)]
        self.refused = len(refused)
        return super().judge(load, left, seconds)

    def told(self):
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        self.healed.sort()
        return (f"{counts}; healed after {self.healed[len(self.healed) // 2]:.1f} s in the middle, "
                f"{self.healed[-1]:.1f} s at most; {self.refused} refused while there could be no process;")

    def run(self):
        load = Load(self.server, self.arguments.seed)
        start = time.monotonic()
        self.active = []
        try:
            while time.monotonic() - start < self.arguments.seconds:
                self.strike()
                time.sleep(self.random.random())
        finally:
            load.stop()
        left = self.server.stop()
        good = self.judge(load, left, time.monotonic() - start)
        return good and not self.late


def fill_up(path):
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mpm", default="event,worker,prefork")
    parser.add_argument("--seconds", type=float, default=3600, help="of all MPMs together")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--limit", type=float, default=10, help="seconds after which all has to be well")
    parser.add_argument("--patience", type=float, default=60, help="seconds after which it is given up")
    parser.add_argument("--library", default=str(soak.TREE / "build/lib"))
    arguments = parser.parse_args()
    if os.geteuid() == 0 and INSIDE not in os.environ:
        # What is mounted goes with the namespace.
        os.environ[INSIDE] = "1"
        os.environ["PYTHONPATH"] = str(pathlib.Path(__file__).parent)
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "small", SHARED_MEMORY], check=True)
    print(f"badluck: --seed {arguments.seed}", flush=True)
    mpms = [mpm for mpm in arguments.mpm.split(",") if mpm]
    arguments.seconds /= len(mpms)
    good = True
    for mpm in mpms:
        good &= BadLuck(arguments, mpm).run()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    threading.stack_size(256 << 10)
    main()
