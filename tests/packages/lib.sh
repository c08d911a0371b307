# shellcheck shell=bash
# What the scenarios have in common; they run inside a small Debian system without a network.

set -x

ours=/usr/lib/apache2/modules/mod_wsgi_rs.so
original=/usr/lib/apache2/modules/mod_wsgi.so

install() { apt-get install -y "$@"; }

restart() { service apache2 restart; }

# A command that must fail; `set -e` does not see that of `! command`.
fails() {
    if "$@"; then return 1; fi
}

# A site as it was written for the distribution's package: daemon mode, embedded mode, and a line for IfModule.
make_site() {
    mkdir -p /srv/site
    cat >/srv/site/site.wsgi <<'PYTHON'
import mod_wsgi, sys


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    group = environ["mod_wsgi.process_group"] or "embedded"
    return ["{} {}.{} {}\n".format(group, *sys.version_info[:2], environ.get("site.setting", "")).encode()]
PYTHON
    cat >/etc/apache2/sites-available/site.conf <<'CONF'
ServerName localhost
<VirtualHost *:80>
    <IfModule mod_wsgi.c>
        WSGIDaemonProcess site processes=2 threads=5 display-name=%{GROUP}
        WSGIScriptAlias /daemon /srv/site/site.wsgi process-group=site application-group=%{GLOBAL}
        WSGIScriptAlias /embedded /srv/site/site.wsgi application-group=%{GLOBAL}
    </IfModule>
    <Directory /srv/site>
        Require all granted
    </Directory>
</VirtualHost>
CONF
    a2dissite 000-default
    a2ensite site
}

get() { # path
    curl --silent --show-error --fail --max-time 20 --retry 5 --retry-all-errors --retry-delay 1 "http://localhost$1"
}

answers() { # both ways to Python
    get /daemon | grep '^site 3'
    get /embedded | grep '^embedded 3'
}

# Which file httpd's processes have mapped.
loaded() {
    grep -o '/usr/lib/apache2/modules/mod_wsgi[^ ]*' "/proc/$(cat /run/apache2/apache2.pid)/maps" | sort -u
}

# Whether the running module is ours, however its file is called.
runs_ours() {
    [ "$(loaded)" = "$ours" ]
}

runs_original() {
    [[ "$(loaded)" == "$original"* ]]
}

# Nobody has lost a request: asks again and again until the file /tmp/stop is there.
ask_on() {
    rm -f /tmp/stop /tmp/missed
    (
        set +x
        while [ ! -e /tmp/stop ]; do
            curl --silent --fail --max-time 20 --retry 10 --retry-all-errors --retry-delay 1 http://localhost/daemon >/dev/null ||
                echo "status $?" >>/tmp/missed
            sleep 0.05
        done
    ) &
    asking=$!
}

asked_on() {
    touch /tmp/stop
    wait "$asking"
    [ ! -e /tmp/missed ] || { cat /tmp/missed; return 1; }
}
