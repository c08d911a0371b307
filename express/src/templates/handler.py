"""Loads the application and hands requests to it. Written by mod_wsgi-express: changes are lost at the next start."""

import os
import re
import sys
import traceback
import types
from urllib.parse import unquote, unquote_to_bytes

KIND = @KIND@
TARGET = @TARGET@
CALLABLE = @CALLABLE@
MOUNT_POINT = @MOUNT_POINT@
STATE = @STATE@
IS_RELOADED = @IS_RELOADED@
MARKS = @MARKS@

# Variables that do not fit on a line come packed.
for pair in filter(None, os.environ.pop("MOD_WSGI_EXPRESS_PACKED", "").split("&")):
    name, _, value = pair.partition("=")
    os.environ[name] = os.fsdecode(unquote_to_bytes(value))
os.environ.update(MARKS)


def report(state, text):
    """Tells the command, which waits for the application, how loading it went."""
    path = os.path.join(STATE, "%s-%d" % (state, os.getpid()))
    try:
        with open(path + ".part", "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.replace(path + ".part", path)
    except OSError:
        pass


def explain(kind, error, position):
    """The traceback without the calls of this file."""
    inner = position
    while inner is not None and inner.tb_frame.f_code.co_filename == explain.__code__.co_filename:
        inner = inner.tb_next
    return "".join(traceback.format_exception(kind, error, inner or position))


def load_script(path):
    module = types.ModuleType("__wsgi__")
    module.__file__ = path
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    sys.modules["__wsgi__"] = module
    exec(code, module.__dict__)
    return module, path


def load_module(name):
    __import__(name)
    module = sys.modules[name]
    return module, getattr(module, "__file__", None)


def load():
    if KIND == "paste":
        try:
            from paste.deploy import loadapp
        except ImportError:
            raise ImportError("a paste application needs the package PasteDeploy: pip install PasteDeploy") from None
        return loadapp("config:" + TARGET), TARGET
    module, path = (load_module if KIND == "module" else load_script)(TARGET)
    found = module
    for part in CALLABLE.split("."):
        if not hasattr(found, part):
            raise AttributeError(
                "%s has no '%s': name the WSGI callable with --callable-object, or as %s:NAME" % (TARGET, part, TARGET)
            )
        found = getattr(found, part)
    return found, path


def changed_at(path):
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, TypeError):
        return None


def source_files():
    """Files of imported modules that are not part of a Python installation."""
    found = set()
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and os.path.isabs(path):
            found.add(path)
    homes = tuple({os.path.join(home, "lib", "") for home in (sys.prefix, sys.base_prefix)})
    return sorted(path for path in found if not path.startswith(homes))


@DEBUGGING@
try:
    application, FILE = load()
except BaseException:
    report("failed", explain(*sys.exc_info()))
    raise
CHANGED_AT = changed_at(FILE)
@WRAP@
report("loaded", "\n".join(source_files()))


def handle_request(environ, start_response):
    # httpd has split the URL where a file or folder of the document root ended.
    given = environ.get("mod_wsgi.mount_point")
    if given is None:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    else:  # SCRIPT_NAME is what a trusted proxy said
        path = re.sub("//+", "/", unquote(environ["REQUEST_URI"].partition("?")[0], "latin-1"))
    if path.startswith(MOUNT_POINT + "/") or path == MOUNT_POINT:
        path = path[len(MOUNT_POINT) :]
    if given is None:
        environ["SCRIPT_NAME"] = MOUNT_POINT
    environ["PATH_INFO"] = path
    return application(environ, start_response)


if IS_RELOADED:

    def reload_required(path):
        return changed_at(FILE) != CHANGED_AT
