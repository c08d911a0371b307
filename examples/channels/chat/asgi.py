"""The page by Django, the room by Channels."""

import os

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ["DJANGO_SETTINGS_MODULE"] = "chat.settings"


class Room(AsyncWebsocketConsumer):
    groups = ["room"]

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("room", {"type": "said", "text": text_data})

    async def said(self, event):
        await self.send(text_data=event["text"])


django = get_asgi_application()
room = OriginValidator(URLRouter([path("room", Room.as_asgi())]), ["*"])
application = ProtocolTypeRouter({"http": django, "websocket": room})
