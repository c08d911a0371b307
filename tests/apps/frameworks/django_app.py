"""As starlette_app.py, with Django, and Channels for the WebSockets. Django knows no lifespan and no background tasks."""

import asyncio

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    DEBUG=False,
    ROOT_URLCONF=__name__,
    SECRET_KEY="a test",
)
django.setup()


async def form(request):
    return HttpResponse("%s is %s" % (request.POST["name"], request.POST["age"]))


async def upload(request):
    file = request.FILES["file"]
    return HttpResponse("%s %d" % (file.name, file.size))


async def stream(request):
    async def lines():
        for number in range(100):
            yield "%d\n" % number
            await asyncio.sleep(0)

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def events(request):
    async def messages():
        for number in range(3):
            yield "data: %d\n\n" % number
            await asyncio.sleep(0.01)

    return StreamingHttpResponse(messages(), content_type="text/event-stream")


def later(request):
    # On a thread, as views that are no coroutines run.
    asyncio.run(asyncio.sleep(0))
    print("django: in the background")
    return HttpResponse("accepted")


async def state(request):
    return HttpResponse("at startup")


urlpatterns = [
    path("form", form),
    path("upload", upload),
    path("stream", stream),
    path("events", events),
    path("later", later),
    path("state", state),
]


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data)


class Broadcast(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("everybody", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard("everybody", self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("everybody", {"type": "everybody.message", "text": text_data})

    async def everybody_message(self, event):
        await self.send(event["text"])


sockets = URLRouter([path("echo", Echo.as_asgi()), path("broadcast", Broadcast.as_asgi())])
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": sockets})
