# What each interpreter is furnished with, where Python says it best. Runs in a namespace of its own (`__name__` is
# 'mod_wsgi') that holds from Rust: log(level, text), log_in_request(level, text), is_logged(level), Log.
import io
import os
import sys

interceptor = None


def restricted(name):
    class Restricted:
        __slots__ = ()

        def __getattribute__(self, _):
            raise OSError("sys.%s access restricted by mod_wsgi" % name)

    Restricted.__qualname__ = "Restricted"
    return Restricted()


class SignalIntercept:
    # Stands in for signal.signal: what the application registers would steal the process's own signals.

    def __init__(self, wrapped, pid):
        self.wrapped = wrapped
        self.pid = pid

    def __call__(self, signum, handler):
        if os.getpid() != self.pid:
            return self.wrapped(signum, handler)
        if is_logged(6):
            import traceback

            log(6, "Ignoring Python signal handler registration for signal %d." % signum)
            for line in traceback.format_stack(sys._getframe(1)):
                for part in line.splitlines():
                    log(6, part)
        return handler


def text_stream(raw):
    return io.TextIOWrapper(raw, "utf-8", "replace", None, True, True)


def stderr(raw):
    sys.stderr = text_stream(raw)


def stdout(raw, is_restricted):
    if is_restricted:
        import atexit

        sys.stdout = restricted("stdout")
        # After all handlers of the application: what ends Python wants to flush the stream.
        atexit.register(setattr, sys, "stdout", None)
    else:
        sys.stdout = text_stream(raw)


def restrict_stdin():
    sys.stdin = restricted("stdin")


def basics(title):
    import codecs
    import threading  # noqa: F401 - the thread that imports it first is the main thread

    codecs.lookup("ascii")
    sys.argv = ["mod_wsgi"]
    # What the interpreter was started with is of no use to an application.
    if title is not None and hasattr(sys, "orig_argv"):
        sys.orig_argv = [title]


def intercept_signals():
    import signal

    global interceptor
    interceptor = signal.signal = SignalIntercept(signal.signal, os.getpid())


def thread_names():
    import threading

    return [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]


def freeze():
    import gc

    gc.collect()
    gc.freeze()


def born():
    # What is known of a zygote by its number is this process's now.
    if interceptor is not None:
        interceptor.pid = os.getpid()


def end_on_sigterm():
    # A service script ends by an exception, so that its `finally` blocks run.
    import signal

    def end(signum, frame):
        raise SystemExit()

    signal.signal(signal.SIGTERM, end)


def environment(user, home, eggs):
    if user is not None:
        for name in ("USER", "USERNAME", "LOGNAME"):
            if name in os.environ:
                os.environ[name] = user
    if home is not None:
        os.environ["HOME"] = home
    if eggs is not None:
        os.environ["PYTHON_EGG_CACHE"] = eggs


def forget_environment(names):
    for name in names:
        os.environ.pop(name, None)


def add_paths(layers, home):
    # Returns the exception that stopped a layer, if one did; the others count.
    import site

    failure = None
    for layer in layers:
        before = list(sys.path)
        try:
            for entry in layer.split(":"):
                log(6, "Adding '%s' to path." % entry)
                site.addsitedir(entry)
        except Exception as error:
            failure = error
        known = set(before)
        added = [entry for entry in sys.path if entry not in known]
        old = [entry for entry in sys.path if entry in known]
        sys.path[:] = added + old
    if home is not None:
        sys.path.insert(0, home)
    return failure


def package_path():
    # Where the sub-modules of an importable package `mod_wsgi` are, without importing it.
    finder = sys.modules["_frozen_importlib_external"].PathFinder
    spec = finder.find_spec("mod_wsgi")
    path = spec and spec.submodule_search_locations
    return list(path) if path else None


def apache_module(embedded, facts):
    module = None
    if embedded:
        try:
            import apache as module
        except ImportError as error:
            if not isinstance(error, ModuleNotFoundError) or error.name != "apache":
                raise
    if module is None:
        module = type(sys)("apache")
        sys.modules["apache"] = module
    vars(module).update(facts)


def describe(kind, value, trace):
    import traceback

    return "".join(traceback.format_exception(kind, value, trace))


def advice(value, group, place):
    # What to write, for the mistakes that are made most often; None for all others.
    import os
    import sys

    text, kind = str(value), type(value).__name__
    options = f"WSGIDaemonProcess {group} ({place})"
    if isinstance(value, ModuleNotFoundError):
        if group:
            where = f"python-home= (the virtual environment) or python-path= (the project) at {options}"
            where += "; WSGIPythonPath does not reach daemons"
        else:
            where = "WSGIPythonHome (the virtual environment) or WSGIPythonPath (the project)"
        path = ":".join(str(entry) for entry in sys.path)
        return (
            f"there is no module {value.name!r} for the Python of {sys.prefix} with sys.path {path}: "
            f"install it there, or write {where}."
        )
    if isinstance(value, TypeError):
        if "missing 1 required positional argument: 'send'" in text:
            return (
                "this is an ASGI application, and it is called as a WSGI one: write interface=asgi behind its "
                "WSGIScriptAlias, which needs a daemon group (process-group=)."
            )
        if value.__traceback__ is None and "'coroutine' object is not iterable" in text:
            return (
                "the application is an async function of other arguments than (scope, receive, send): "
                "write def instead of async def, or the arguments of an ASGI application."
            )
        if value.__traceback__ is None and text == "'NoneType' object is not iterable":
            return "the application returned None: it must return an iterable of bytes, such as return [body]."
        if text == "response iterable must yield bytes, not str":
            return "encode the text: return [text.encode('utf-8')]."
        if text == "response iterable must yield bytes, not int":
            return "the application returned bytes instead of a list of them: write return [body]."
    if isinstance(value, PermissionError) and isinstance(value.filename, str):
        return (
            f"user id {os.geteuid()} may not use {value.filename!r}: look with namei -l {value.filename}, "
            "then chmod o+x the directories and chmod o+r the file, or write user= of its owner at WSGIDaemonProcess."
        )
    if isinstance(value, MemoryError):
        limits = f"raise memory-limit= or virtual-memory-limit= of {options}, if it has them, or " if group else ""
        return f"there is no memory left: {limits}lower the number of threads and processes."
    if kind == "OperationalError" and ("readonly database" in text or "unable to open database file" in text):
        return (
            "SQLite writes beside the database: its file and its directory must belong to user id "
            f"{os.geteuid()} (chown), or write user= of their owner at WSGIDaemonProcess."
        )
    return None


def may_be_coroutine(function):
    # What inspect.iscoroutinefunction looks at; importing that module costs a process a megabyte.
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return bool(flags & 0x80) or hasattr(function, "_is_coroutine_marker") or hasattr(function, "func")


def is_asgi(application):
    import functools

    target = application
    while isinstance(target, functools.partial):
        target = target.func
    if not callable(target) or not (may_be_coroutine(target) or may_be_coroutine(target.__call__)):
        return False
    import inspect

    if not inspect.iscoroutinefunction(target):
        if inspect.isclass(target) or not callable(target) or not inspect.iscoroutinefunction(target.__call__):
            return False
    try:
        inspect.signature(application).bind(None, None, None)
    except TypeError:
        # It takes other arguments: a WSGI application by mistake.
        return False
    except ValueError:
        pass
    return True


def files_of(value, trace, most=60):
    # Absolute paths of all frames, innermost first, and of what the exception says itself, causes included.
    files, seen, values = [], set(), [(value, trace)]
    while values:
        value, trace = values.pop()
        if value is None or id(value) in seen:
            continue
        seen.add(id(value))
        frames = []
        while trace is not None:
            frames.append(trace.tb_frame.f_code.co_filename)
            trace = trace.tb_next
        files += frames[::-1]
        if isinstance(value, SyntaxError):
            files.insert(0, value.filename)
        elif isinstance(value, ImportError):
            files.insert(0, value.path)
        values += [(other, other.__traceback__) for other in (value.__cause__, value.__context__) if other]
    files = [name for name in files if isinstance(name, str) and os.path.isabs(name)]
    return list(dict.fromkeys(files))[:most]


REFUSALS = (
    "does not support loading in subinterpreters",  # CPython
    "do not yet support subinterpreters",  # PyO3
    "may only be initialized once per interpreter process",  # PyO3
    "can only be loaded into one interpreter per process",  # Cython
    "cannot load module more than once per process",  # NumPy 2
    "CPU dispatcher tracer already initlized",  # NumPy 1
)


def refusing_module(value, trace):
    seen = set()
    while value is not None and id(value) not in seen:
        seen.add(id(value))
        if any(text in str(value) for text in REFUSALS):
            name, found = getattr(value, "name", None), "?"
            while trace is not None:
                # Without a name: whose code was importing it.
                if not name and "importlib" not in trace.tb_frame.f_code.co_filename:
                    found = trace.tb_frame.f_globals.get("__name__")
                trace = trace.tb_next
            return name or found
        value = value.__cause__ or value.__context__
        trace = value.__traceback__ if value is not None else None
    return None


def import_module(name):
    import importlib

    return importlib.import_module(name)


def files_of_thread(ident, most=200):
    frame, files = sys._current_frames().get(ident), {}
    while frame is not None and len(files) < most:
        files[frame.f_code.co_filename] = None
        frame = frame.f_back
    return [name for name in files if os.path.isabs(name)]


def stack(ident):
    import traceback

    frame = sys._current_frames().get(ident)
    return traceback.format_stack(frame) if frame is not None else []


def whereabouts(ident, most=40):
    # One line, innermost call first; no file is read for it.
    frame = sys._current_frames().get(ident)
    calls = []
    while frame is not None and len(calls) < most:
        code = frame.f_code
        calls.append('File "%s", line %s in %s' % (code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return " | ".join(calls)


def stacks():
    import threading
    import traceback

    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = []
    for ident, frame in sys._current_frames().items():
        lines.append("Thread %s (%s):" % (ident, names.get(ident, "not known to threading")))
        lines.extend(traceback.format_stack(frame))
    return lines


def watch_faults(fd, signum):
    import faulthandler

    # Until now it wrote to standard error, as it goes on to do if the operator has asked for it.
    if not os.environ.get("PYTHONFAULTHANDLER"):
        faulthandler.enable(fd, all_threads=False)
    faulthandler.register(signum, fd, all_threads=False)


def signal_name(number):
    import signal

    return signal.Signals(number).name


def join_threads(shuts_down_twice):
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
        if shuts_down_twice:
            threading._shutdown = lambda: None


def run_exit_handlers():
    import atexit

    atexit._run_exitfuncs()


def names_of_module(module):
    return sorted({*vars(module), "LogHandler"})


def log_handler():
    import logging

    class LogHandler(logging.Handler):
        def emit(self, record):
            number = record.levelno
            level = 2 if number >= 50 else 3 if number >= 40 else 4 if number >= 30 else 6 if number >= 20 else 7
            if not is_logged(level):
                return
            try:
                text = self.format(record)
            except Exception:
                self.handleError(record)
                return
            for line in text.split("\n"):
                log_in_request(level, line)

    LogHandler.__qualname__ = "LogHandler"
    return LogHandler
