"""`manage.py runmodwsgi`: serves the project with Apache httpd. Takes every option of mod_wsgi-express."""

import os
import sys
from importlib import import_module

from django.conf import settings
from django.core.management.base import BaseCommand

from mod_wsgi.express.cli import run
from mod_wsgi.express.server import arguments_of, rows


class Command(BaseCommand):
    help = "Serves the project with Apache httpd and mod_wsgi."
    requires_system_checks = []

    def add_arguments(self, parser):
        for name, repeats, text, values in rows():
            text = text.replace("%", "%%")
            if not values:
                parser.add_argument("--" + name, action="store_true", default=None, help=text)
                continue
            several = {"nargs": 2, "metavar": tuple(values)} if len(values) == 2 else {"metavar": values[0]}
            parser.add_argument("--" + name, action="append" if repeats else "store", help=text, **several)

    def handle(self, *args, **options):
        package = sys.modules[settings.SETTINGS_MODULE]
        if not options["entry_point"]:
            default = (package.__package__ or settings.SETTINGS_MODULE) + ".wsgi.application"
            named = getattr(settings, "WSGI_APPLICATION", None) or default
            options["entry_point"], options["callable_object"] = named.rsplit(".", 1)
            options["application_type"] = "module"
        if not options["working_directory"]:
            options["working_directory"] = self.base(package)
        if not any("whitenoise" in name.lower() for name in settings.MIDDLEWARE):
            url, root = settings.STATIC_URL or "", getattr(settings, "STATIC_ROOT", None)
            if url.startswith("/") and root:
                options["url_alias"] = [(url.rstrip("/") or "/", root), *(options["url_alias"] or [])]
        command = "setup-server" if options["setup_only"] else "start-server"
        run([command, *arguments_of(options)])

    @staticmethod
    def base(package):
        base = getattr(settings, "BASE_DIR", None)
        if base:
            return base
        top = import_module(package.__name__.partition(".")[0])
        return os.path.dirname(os.path.dirname(os.path.abspath(top.__file__)))
