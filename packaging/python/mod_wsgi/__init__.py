"""Starts Apache httpd with mod_wsgi; inside its processes the module mod_wsgi has more (see docs)."""
