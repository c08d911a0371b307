"""As little as the example needs."""

ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "chat.urls"
SECRET_KEY = "not for use elsewhere"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
