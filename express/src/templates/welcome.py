"""The page of a server without an application. Written by mod_wsgi-express."""

PAGE = b"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>mod_wsgi</title></head>
<body>
<h1>The server runs</h1>
<p>It was started without an application. Give it one:</p>
<pre>mod_wsgi-express start-server wsgi.py
mod_wsgi-express start-server package.module:application</pre>
</body>
</html>
"""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]
