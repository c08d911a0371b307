"""The command under the old name of its application."""

from mod_wsgi.express.management.commands.runmodwsgi import Command

__all__ = ["Command"]
