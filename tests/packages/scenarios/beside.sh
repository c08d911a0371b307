#!/usr/bin/env bash
# Over the distribution's package: its sites go on; nothing brings its module back but the removal of ours.
. /scenarios/lib.sh

install apache2 libapache2-mod-wsgi-py3 curl
make_site
echo 'SetEnv site.setting kept' >>/etc/apache2/mods-available/wsgi.conf
restart
answers
runs_original
get /daemon | grep 'kept$'
cp -a /etc/apache2/mods-available /tmp/before

ask_on
install /scenarios/mod_wsgi.deb
answers
runs_ours
get /daemon | grep 'kept$'
asked_on

# The hook for a new default Python, and a reinstallation.
/usr/share/python3/runtime.d/libapache2-mod-wsgi-py3.rtupdate rtupdate python3.0 "python$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
restart
answers
runs_ours
dpkg --force-confold -i /var/cache/apt/archives/libapache2-mod-wsgi-py3_*.deb
answers
runs_ours
get /daemon | grep 'kept$'
restart
answers
runs_ours

# Removed: the state from before.
ask_on
apt-get remove -y libapache2-mod-wsgi-rs
answers
runs_original
get /daemon | grep 'kept$'
asked_on
diff -r /tmp/before /etc/apache2/mods-available -x 'wsgi_rs.*'
apt-get purge -y libapache2-mod-wsgi-rs
diff -r /tmp/before /etc/apache2/mods-available
a2query -m wsgi
restart
answers
runs_original
