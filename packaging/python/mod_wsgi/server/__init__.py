"""The old name of `mod_wsgi.express`."""
