"""The site: Django in one file."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="not for use elsewhere")


def page(request):
    return HttpResponse("<h1>Django</h1> with <a href='/api/now'>FastAPI</a> beside it\n")


urlpatterns = [path("", page)]
application = get_wsgi_application()
