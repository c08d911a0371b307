# The same application behind three checkers of PEP 3333; QUERY_STRING names the checker. A complaint is an exception.
import io
import warnings
from wsgiref.validate import validator

import webtest.debugapp
import webtest.lint
import werkzeug.middleware.lint
import werkzeug.testapp
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import wrap_file

warnings.simplefilter("error")


def plain(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"]
    if path == "/read":
        data = b"".join(iter(lambda: body.read(1000), b""))
    elif path == "/lines":
        data = b"".join([body.readline(50), b"|", b"|".join(body.readlines()), b"|", b"".join(body)])
    else:
        data = b"hello"
    environ["wsgi.errors"].write("")
    environ["wsgi.errors"].flush()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Odd", "\xe4")]
    if path == "/stream":
        start_response("200 OK", headers)
        return (str(number).encode() + b"\n" for number in range(100))
    if path == "/write":
        write = start_response("200 OK", headers)
        write(b"written ")
        return [b"and returned"]
    if path == "/none":
        start_response("204 No Content", [("X-Odd", "1")])
        return []
    if path == "/error":
        start_response("404 Not Found", headers)
        return [b"nothing"]
    start_response("200 OK", headers + [("Content-Length", str(len(data)))])
    return [data]


@Request.application
def framework(request):
    """What Werkzeug makes of the server: forms, files, JSON, streams, and its own file wrapper."""
    if request.path.endswith("/form"):
        upload = request.files["file"]
        text = "%s %s %d" % (request.form["name"], upload.filename, len(upload.read()))
        return Response(text)
    if request.path.endswith("/json"):
        return Response(str(sum(request.get_json()["numbers"])))
    if request.path.endswith("/file"):
        return Response(wrap_file(request.environ, open(__file__, "rb")), direct_passthrough=True)
    if request.path.endswith("/memory"):
        return Response(wrap_file(request.environ, io.BytesIO(b"memory")), direct_passthrough=True)
    if request.path.endswith("/cookie"):
        response = Response(request.cookies.get("a", ""))
        response.set_cookie("b", "c")
        response.set_cookie("d", "e")
        return response
    return Response("%s|%s|%s|%s" % (request.url, request.script_root, request.method, request.data.decode()))


applications = {
    "wsgiref": validator(plain),
    "webtest": webtest.lint.middleware(plain),
    "werkzeug": werkzeug.middleware.lint.LintMiddleware(plain),
    "framework": framework,
    # The applications that WebTest and Werkzeug test themselves with; WebTest's behind both checkers of the standard.
    "debug": validator(webtest.lint.middleware(webtest.debugapp.debug_app)),
    "testapp": validator(werkzeug.testapp.test_app),
}


def application(environ, start_response):
    return applications[environ["QUERY_STRING"].split("&")[0]](environ, start_response)
