"""What a random request may ask an application to do (tests/it/product/fuzz.rs): the query names it."""


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def partial(environ, start_response):
    some = environ["wsgi.input"].read(10)
    start_response("200 OK", [])
    return [some]


def lines(environ, start_response):
    start_response("200 OK", [])
    for line in environ["wsgi.input"]:
        yield line


def early(environ, start_response):
    start_response("403 Forbidden", [("Content-Length", "2")])
    return [b"no"]


def large(environ, start_response):
    start_response("200 OK", [])
    return [b"x" * 1000000]


def many(environ, start_response):
    start_response("200 OK", [])
    for number in range(2000):
        yield b"%d\n" % number


def file(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def write(environ, start_response):
    start_response("200 OK", [])(b"written")
    return [b", returned"]


def duplex(environ, start_response):
    start_response("200 OK", [])
    while True:
        some = environ["wsgi.input"].read(1000)
        if not some:
            return
        yield some


def none(environ, start_response):
    start_response("204 No Content", [])
    return []


def short(environ, start_response):
    start_response("200 OK", [("Content-Length", "100")])
    return [b"short"]


def long(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"far too long"]


def headers(environ, start_response):
    names = [name for name in environ if name.startswith("HTTP_")]
    start_response("200 OK", [("X-" + str(number), environ[name]) for number, name in enumerate(names)])
    return [b"headers"]


def fail(environ, start_response):
    raise ValueError("asked for")


def fail_late(environ, start_response):
    start_response("200 OK", [])
    yield b"begun"
    raise ValueError("asked for")


def redirect(environ, start_response):
    start_response("200 OK", [("Location", environ["mod_wsgi.script_name"] + "/?early")])
    return []


def application(environ, start_response):
    name = environ["QUERY_STRING"].partition("&")[0]
    chosen = globals().get(name) if name in NAMES else None
    return (chosen or echo)(environ, start_response)


NAMES = {name for name, value in globals().items() if callable(value) and name != "application"}
