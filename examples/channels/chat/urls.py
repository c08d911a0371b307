"""The page."""

from django.http import HttpResponse
from django.urls import path

PAGE = """<!doctype html>
<title>chat</title>
<ul id="said"></ul>
<form id="form"><input id="text" autofocus><button>say</button></form>
<script>
const address = new URL("room", location.href);
address.protocol = address.protocol.replace("http", "ws");
let socket;
function connect() {
    socket = new WebSocket(address);
    socket.onmessage = event => {
        const item = document.createElement("li");
        item.textContent = event.data;
        said.append(item);
    };
    // 1012: the server has been restarted, and serves on.
    socket.onclose = () => setTimeout(connect, 500);
}
connect();
form.onsubmit = event => {
    event.preventDefault();
    socket.send(text.value);
    text.value = "";
};
</script>
"""


def page(request):
    return HttpResponse(PAGE)


urlpatterns = [path("", page)]
