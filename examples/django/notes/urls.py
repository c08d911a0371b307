"""Which view serves which path."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.notes, name="notes"),
    path("upload", views.upload),
    path("download", views.download),
    path("fail", views.fail),
]
