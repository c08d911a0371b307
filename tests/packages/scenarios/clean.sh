#!/usr/bin/env bash
# On a system without httpd: one command installs all of it, a site answers, removing and purging leave nothing.
. /scenarios/lib.sh

install /scenarios/mod_wsgi.deb apache2 curl
[ "$(a2query -m wsgi_rs)" = "wsgi_rs (enabled by maintainer script)" ]
make_site
apache2ctl configtest
restart
answers
runs_ours
mod_wsgi-ctl status | grep -w site
# shellcheck disable=SC2154 # lib.sh sets it
[ "$(mod_wsgi-express module-location)" = "$ours" ]
mod_wsgi-express module-config | grep -Fx "LoadModule wsgi_module \"$ours\""
bash -c '. /usr/share/bash-completion/completions/mod_wsgi-express; complete -p mod_wsgi-express'

# Installed once more, and over a file that an administrator has changed.
echo '# mine' >>/etc/apache2/mods-available/wsgi_rs.conf
install --reinstall /scenarios/mod_wsgi.deb
answers
runs_ours
tail -n 1 /etc/apache2/mods-available/wsgi_rs.conf | grep '# mine'

# What an administrator has disabled stays so. The other name works too, and both together.
a2dismod wsgi_rs
install --reinstall /scenarios/mod_wsgi.deb
fails a2query -m wsgi_rs
a2enmod wsgi
restart
answers
runs_ours
a2enmod wsgi_rs
restart
answers
runs_ours

apt-get remove -y libapache2-mod-wsgi-rs
apache2ctl configtest
fails a2query -m wsgi
fails a2query -m wsgi_rs
fails test -L /etc/apache2/mods-available/wsgi.load
apt-get purge -y libapache2-mod-wsgi-rs
[ -z "$(find /etc/apache2 /usr/lib/apache2 /var/lib/apache2 -name '*wsgi*' ! -name '*uwsgi*')" ]
[ -z "$(dpkg-divert --list '*wsgi*')" ]
