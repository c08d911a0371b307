#!/usr/bin/env bash
# Runs the commands of docs/install.md, docs/flask.md and docs/django.md, in their order. After a command line that serves, port 8000 is
# asked; after a restart of httpd, port 80.
. /scenarios/lib.sh

install curl
export PIP_NO_INDEX=1 PIP_FIND_LINKS=/scenarios/wheels PIP_DISABLE_PIP_VERSION_CHECK=1
mkdir -p /srv /root/packages
cp -r /scenarios/examples/flask /srv/shop
cp -r /scenarios/examples/django /srv/notes
cp /scenarios/mod_wsgi.deb /root/packages/libapache2-mod-wsgi-rs_1_all.deb
cp /scenarios/*.whl /root/packages/

# There is no systemd here.
export PATH=/usr/local/bin:$PATH
cat >/usr/local/bin/systemctl <<'STUB'
#!/bin/sh
[ "$1" != restart ] || exec service "$2" restart
STUB
chmod 755 /usr/local/bin/systemctl

run_block() { # file with the commands of one block
    cd /root/packages || exit 1
    if ! grep -q 'start-server\|runmodwsgi' "$1"; then
        bash -euxo pipefail "$1"
        grep -q 'restart apache2' "$1" || return 0
        get / >/dev/null
        return
    fi
    # Its last line becomes the process that is asked to end.
    sed -i '$s/^/exec /' "$1"
    rm -f /tmp/served
    bash -euxo pipefail "$1" >/tmp/served 2>&1 &
    local server=$!
    for _ in $(seq 100); do
        ! grep -q '^Ready: ' /tmp/served || break
        kill -0 "$server" || break
        sleep 0.1
    done
    grep "^Ready: " /tmp/served || { cat /tmp/served /tmp/mod_wsgi-*/error_log; return 1; }
    get_from_8000
    kill -TERM "$server"
    wait "$server"
}

get_from_8000() { curl --silent --show-error --fail --max-time 20 http://localhost:8000/ >/dev/null; }

for document in install flask django; do
    rm -rf /tmp/blocks
    mkdir /tmp/blocks
    awk '/^```sh$/ { n++; next } /^```/ { inside = 0 } { if (n > last || inside) { inside = 1; last = n; print > sprintf("/tmp/blocks/%02d", n) } }' \
        "/scenarios/docs/$document.md"
    [ -n "$(ls /tmp/blocks)" ]
    for block in /tmp/blocks/*; do run_block "$block"; done
    # install.md ends without the package; the others need it.
    dpkg -s libapache2-mod-wsgi-rs | grep '^Status: install ok installed' || apt-get install -y /root/packages/*.deb
done
[ "$(curl --silent http://localhost/static/style.css | grep -c font-family)" != 0 ]
