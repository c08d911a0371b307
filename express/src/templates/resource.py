"""Hands files of the document root to the scripts of --add-handler. Written by mod_wsgi-express."""

import os
import types

SCRIPTS = @SCRIPTS@
LOADED = {}


def script_of(path):
    extension = os.path.splitext(path)[1]
    script = SCRIPTS[extension]
    if script not in LOADED:
        module = types.ModuleType("__wsgi_resource_%d__" % len(LOADED))
        module.__file__ = script
        with open(script, "rb") as file:
            exec(compile(file.read(), script, "exec", dont_inherit=True), module.__dict__)
        LOADED[script] = (module, os.stat(script).st_mtime_ns)
    return LOADED[script][0]


def handle_request(environ, start_response):
    module = script_of(environ["SCRIPT_NAME"])
    handler = getattr(module, "handle_request", None) or module.application
    return handler(environ, start_response)


def reload_required(path):
    for script, (module, changed_at) in LOADED.items():
        try:
            if os.stat(script).st_mtime_ns != changed_at:
                return True
        except OSError:
            return True
        hook = getattr(module, "reload_required", None)
        if hook is not None and hook(path):
            return True
    return False
