"""A Flask application; httpd.conf names its callable, `app`."""

from flask import Flask, jsonify, request
from markupsafe import escape

app = Flask(__name__)


@app.get("/")
def index():
    return "<h1>Flask</h1>\n"


@app.get("/hello/<name>")
def hello(name):
    return "Hello, %s!\n" % escape(name)


@app.post("/sum")
def total():
    numbers = request.get_json()["numbers"]
    return jsonify(sum=sum(numbers), count=len(numbers))


@app.get("/fail")
def fail():
    raise ValueError("this view always fails")


@app.errorhandler(404)
def missing(error):
    return "no such page: %s\n" % escape(request.path), 404
