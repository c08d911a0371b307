# Answers with what the application was given: each environ key with the type name and the repr of its value.
import io
import json
import sys


def application(environ, start_response):
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    seen = {key: [type(value).__name__, value if isinstance(value, str) else repr(value)] for key, value in environ.items()}
    about = {
        "environ": seen,
        "exact_dict": type(environ) is dict,
        "body": body.decode("latin-1"),
        "input_type": type(environ["wsgi.input"]).__module__ + "." + type(environ["wsgi.input"]).__name__,
        "errors_is_text": isinstance(environ["wsgi.errors"], io.TextIOWrapper),
        "errors_name": environ["wsgi.errors"].name,
        "wrapper_is_class": isinstance(environ["wsgi.file_wrapper"], type),
        "module": __name__,
        "file": __file__,
        "sys_argv": sys.argv,
    }
    data = json.dumps(about).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]
