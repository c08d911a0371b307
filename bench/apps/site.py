"""A Django page in one file: a template with forty rows, through the usual middleware."""

import django
from django.conf import settings
from django.http import HttpResponse
from django.template import engines
from django.urls import path

settings.configure(
    DEBUG=False,
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {}}],
    LOGGING_CONFIG=None,
)
django.setup()

PAGE = engines["django"].from_string(
    "<html><head><title>{{ title }}</title></head><body><table>"
    "{% for row in rows %}<tr class='{% cycle 'odd' 'even' %}'><td>{{ row.id }}</td><td>{{ row.name|title }}</td>"
    "<td>{{ row.price|floatformat:2 }}</td></tr>{% endfor %}</table></body></html>"
)
ROWS = [{"id": n, "name": "product number %d" % n, "price": n * 1.37} for n in range(40)]


def page(request):
    return HttpResponse(PAGE.render({"title": "Products", "rows": ROWS}, request))


urlpatterns = [path("django", page)]

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
