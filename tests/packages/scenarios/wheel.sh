#!/usr/bin/env bash
# With Debian's apache2-bin and python3-venv only: an ordinary user installs the wheel and serves, with Debian's Python
# and with one that is not Debian's, where /opt/python has one.
. /scenarios/lib.sh

install apache2-bin python3-venv curl
useradd --create-home --shell /bin/bash visitor
cat >/home/visitor/wsgi.py <<'PYTHON'
import atexit, getpass, sys

atexit.register(lambda: open("/home/visitor/ended", "w").close())


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["{} {}.{}\n".format(getpass.getuser(), *sys.version_info[:2]).encode()]
PYTHON

serve() { # python
    local venv version
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    venv=/home/visitor/venv-$version
    su visitor -c "$1 -m venv $venv && $venv/bin/pip install --quiet --no-index /scenarios/*.whl"
    rm -f /tmp/served
    (
        cd /home/visitor || exit 1
        exec setpriv --reuid=visitor --regid=visitor --init-groups env HOME=/home/visitor \
            "$venv/bin/mod_wsgi-express" start-server wsgi.py --port 8000 >/tmp/served 2>&1
    ) &
    local server=$!
    for _ in $(seq 300); do
        grep -q '^Ready: ' /tmp/served && break
        kill -0 "$server"
        sleep 0.1
    done
    grep '^Ready: ' /tmp/served
    [ "$(curl --silent --fail http://localhost:8000/)" = "visitor $version" ]
    rm -f /home/visitor/ended
    kill -TERM "$server"
    wait "$server"
    [ -e /home/visitor/ended ]
    [ -e "$venv/share/man/man1/mod_wsgi-express.1" ]
}

serve /usr/bin/python3
[ ! -x /opt/python/bin/python3 ] || serve /opt/python/bin/python3
