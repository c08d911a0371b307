#!/usr/bin/env bash
# Over the distribution's package, which is then removed and purged: ours goes on. It may also come later.
. /scenarios/lib.sh

install apache2 libapache2-mod-wsgi-py3 curl
make_site
restart
answers
install /scenarios/mod_wsgi.deb
apt-get remove -y libapache2-mod-wsgi-py3
answers
runs_ours
apt-get purge -y libapache2-mod-wsgi-py3
restart
answers
runs_ours

# The distribution's package is installed beside ours: it does not win.
dpkg -i /var/cache/apt/archives/libapache2-mod-wsgi-py3_*.deb
answers
runs_ours
restart
runs_ours

# Ours goes: that one serves.
apt-get purge -y libapache2-mod-wsgi-rs
answers
runs_original
