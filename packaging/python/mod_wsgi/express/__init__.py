"""`mod_wsgi-express` for Python programs, and a Django application with the command `runmodwsgi`."""
