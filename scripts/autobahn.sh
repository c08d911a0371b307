#!/usr/bin/env bash
# The Autobahn test suite for WebSockets, for `make test-autobahn`. It needs Python 2.7: a folder with Debian 11, which has that,
# and the suite from PyPI. As root; the folder is made once, and takes 600 MB of MOD_WSGI_CACHE.
#   autobahn.sh SPEC.json FOLDER    runs the fuzzing client; its reports lie in FOLDER afterwards
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

root=$(cache_dir mod-wsgi-autobahn)/root
clean=(env -i HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/root/ca.crt PIP_CERT=/root/ca.crt)

make_root() {
    [ "$(id -u)" = 0 ] || { say "only root can make $root"; exit 1; }
    command -v debootstrap >/dev/null || { say "install debootstrap"; exit 1; }
    say "unpacking Debian 11 in $root (once)"
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase --include=python2.7,python2.7-dev,gcc,libc6-dev,libffi-dev,libssl-dev bullseye "$root" \
        >"$root.log" 2>&1 || { tail -n 5 "$root.log" >&2; say "see $root.log"; exit 1; }
    cp /etc/ssl/certs/ca-certificates.crt "$root/root/ca.crt"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    # The last pip for Python 2.7 installs itself.
    python3 -m pip download -q --no-deps --dest "$root/root" pip==20.3.4
    chroot "$root" "${clean[@]}" python2.7 /root/pip-20.3.4-py2.py3-none-any.whl/pip install -q --no-cache-dir \
        pip==20.3.4 'setuptools<45' wheel >>"$root.log" 2>&1
    chroot "$root" "${clean[@]}" python2.7 -m pip install -q --no-cache-dir \
        twisted==19.10.0 autobahn==0.10.9 txaio==2.1.0 autobahntestsuite==0.8.2 >>"$root.log" 2>&1
    touch "$root/.complete"
}

[ -e "$root/.complete" ] || make_root
rm -rf "$root/root/reports"
cp "$1" "$root/root/spec.json"
chroot "$root" "${clean[@]}" wstest -m fuzzingclient -s /root/spec.json >"$2/client.log" 2>&1
cp -r "$root/root/reports/." "$2"
