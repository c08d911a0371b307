# Runs Python that a test sends along: X-Code holds a module that defines `app(environ, start_response)`; X-Eval holds a
# JSON list of expressions, each answered with the repr of its value or with its exception. Both in base64.
import base64
import json
import os
import time

kept = {}  # what one request leaves for the next


def released(environ, text):
    """Waits until the test has made `app/released` (`Snippets::release`), and says so instead of `text` if it does not."""
    path = os.path.join(os.path.dirname(environ["SCRIPT_FILENAME"]), "released")
    end = time.monotonic() + 15
    while not os.path.exists(path):
        if time.monotonic() > end:
            return b"nobody has read what came before"
        time.sleep(0.01)
    return text


def outcome(function):
    try:
        return repr(function())
    except BaseException as error:
        return type(error).__name__ + ": " + str(error)


def answer(start_response, text):
    data = text.encode("utf-8")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(data)))])
    return [data]


def application(environ, start_response):
    scope = {
        "answer": answer,
        "environ": environ,
        "input": environ["wsgi.input"],
        "kept": kept,
        "outcome": outcome,
        "released": released,
        "start_response": start_response,
    }
    if "HTTP_X_EVAL" in environ:
        expressions = json.loads(base64.b64decode(environ["HTTP_X_EVAL"]))
        results = [outcome(lambda text=text: eval(text, scope)) for text in expressions]
        return answer(start_response, json.dumps(results))
    exec(compile(base64.b64decode(environ["HTTP_X_CODE"]), "<snippet>", "exec"), scope)
    return scope["app"](environ, start_response)
