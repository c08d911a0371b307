#!/usr/bin/env bash
# The distribution's package was removed before, and its configuration was left; files of an administrator are set aside.
. /scenarios/lib.sh

install apache2 libapache2-mod-wsgi-py3 curl
make_site
apt-get remove -y libapache2-mod-wsgi-py3
install /scenarios/mod_wsgi.deb
a2enmod wsgi
restart
answers
runs_ours
apt-get remove -y libapache2-mod-wsgi-rs
fails a2query -m wsgi
fails a2query -m wsgi_rs
apache2ctl configtest
# shellcheck disable=SC2154 # lib.sh sets it
grep -F "$original" /etc/apache2/mods-available/wsgi.load
apt-get install -y libapache2-mod-wsgi-py3
restart
answers
runs_original
