#!/usr/bin/env bash
# Prepares the control: the mod_wsgi that our tests are checked against (see CONTRIBUTING.md, "One suite, two subjects").
#   scripts/controls.sh original       mod_wsgi 6.1.1 from PyPI, in a throw-away venv made from /usr/bin/python3
#   scripts/controls.sh original-4.9   the distribution's libapache2-mod-wsgi-py3, downloaded and unpacked, not installed
# Prints two lines: the path of mod_wsgi.so, and the Python home whose libpython it links ("-" for the system's own).
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

original() {
    local version=6.1.1 home
    home=$cache/$version
    if [ ! -e "$home/.complete" ]; then
        say "building mod_wsgi $version from PyPI in $home (once)"
        rm -rf "$home"
        /usr/bin/python3 -m venv "$home" >&2
        "$home/bin/pip" install --quiet --no-cache-dir wheel setuptools >&2
        "$home/bin/pip" install --quiet --no-cache-dir --no-build-isolation "mod_wsgi==$version" >&2
        chmod -R a+rX "$home"
        touch "$home/.complete"
    fi
    "$home/bin/mod_wsgi-express" module-location
    printf '%s\n' "$home"
}

original_4_9() {
    local home package
    home=$cache/4.9
    if [ ! -d "$home/usr" ]; then
        say "downloading libapache2-mod-wsgi-py3 into $home (once)"
        package=$(mktemp -d)
        chmod 755 "$package"
        (cd "$package" && apt-get download -qq -o APT::Sandbox::User=root libapache2-mod-wsgi-py3 >&2)
        rm -rf "$home.part"
        mkdir -m 755 "$home.part"
        dpkg-deb -x "$package"/*.deb "$home.part"
        mv "$home.part" "$home"
        rm -rf "$package"
    fi
    find "$home" -name 'mod_wsgi.so*' -type f | head -n 1
    printf -- '-\n'
}

cache=$(cache_dir mod-wsgi-controls)
exec 9<"$cache"
flock 9 # one at a time

case ${1:-} in
original) original ;;
original-4.9) original_4_9 ;;
*) say "usage: controls.sh original|original-4.9"; exit 2 ;;
esac
