# Runs Python that a test sends along: X-Code holds a module that defines `app(environ, start_response)`; X-Eval holds a
# JSON list of expressions, each answered with the repr of its value or with its exception. Both in base64.
import base64
import json

kept = {}  # what one request leaves for the next


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
        "start_response": start_response,
    }
    if "HTTP_X_EVAL" in environ:
        expressions = json.loads(base64.b64decode(environ["HTTP_X_EVAL"]))
        results = [outcome(lambda text=text: eval(text, scope)) for text in expressions]
        return answer(start_response, json.dumps(results))
    exec(compile(base64.b64decode(environ["HTTP_X_CODE"]), "<snippet>", "exec"), scope)
    return scope["app"](environ, start_response)
