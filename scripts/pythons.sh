#!/usr/bin/env bash
# Finds the Pythons of this machine that the tests use, and prints one line for each: version, home, kind.
#   kind "base" is an installation, "venv" a virtual environment made from the line before it.
# Debian's own is used in place; pyenv's lie under a private home, so each is copied once to a world-readable cache.
# As root it also creates the two users that daemons run as: wsgi-test-a and wsgi-test-b.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

runs_as_httpd() { # as the user of httpd's children when we can become it
    if [ "$(id -u)" = 0 ]; then
        # through `env`: setpriv itself still looks the command up with root's capabilities
        setpriv --reuid=www-data --regid=www-data --clear-groups -- env "$@"
    else
        "$@"
    fi
}

make_venv() { # base executable, venv folder
    [ -e "$2/.complete" ] && return
    rm -rf "$2"
    "$1" -m venv --without-pip "$2" >/dev/null
    chmod -R a+rX "$2"
    touch "$2/.complete"
}

relocate() { # copy, original: the executable names the libpython of its first home; write $ORIGIN there instead
    /usr/bin/python3 - "$1" "$2" <<'PYTHON'
import glob, os, sys
copy, original = sys.argv[1], os.fsencode(sys.argv[2]) + b"/lib\0"
for path in glob.glob(copy + "/bin/python3.*[0-9]"):
    image = open(path, "rb").read()
    if original in image:
        open(path, "wb").write(image.replace(original, b"$ORIGIN/../lib".ljust(len(original), b"\0")))
PYTHON
}

report() { # version, base home, base executable
    local venv="$cache/venv-$1"
    make_venv "$3" "$venv"
    if runs_as_httpd "$venv/bin/python3" -c 'import ssl, sqlite3, ctypes' 2>/dev/null; then
        printf '%s %s base\n%s %s venv\n' "$1" "$2" "$1" "$venv"
    else
        say "Python $1 in $2 does not run as httpd's user or lacks ssl, sqlite3 or ctypes; skipped"
    fi
}

cache=$(cache_dir mod-wsgi-pythons)
exec 9<"$cache"
flock 9 # one at a time

if [ "$(id -u)" = 0 ]; then
    for user in wsgi-test-a wsgi-test-b; do
        id "$user" >/dev/null 2>&1 || useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
    done
fi

if [ -x /usr/bin/python3 ]; then
    report "debian-$(/usr/bin/python3 -c 'import platform; print(platform.python_version())')" /usr /usr/bin/python3
fi
for base in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*; do
    version=$(basename "$base")
    minor=${version#3.}
    minor=${minor%%.*}
    if ! [ "$minor" -ge 9 ] 2>/dev/null || ! [ -x "$base/bin/python3" ] || [ -d "$cache/$version" ]; then
        continue
    fi
    say "copying $base to $cache/$version (once)"
    rm -rf "$cache/$version.part"
    mkdir "$cache/$version.part"
    tar -C "$base" --exclude='./lib/python3*/test' --exclude='./lib/python3*/site-packages/*' \
        --exclude='./lib/python3*/config-*' --exclude='*/idlelib' --exclude='*/lib2to3/tests' -cf - . |
        tar -C "$cache/$version.part" -xf -
    relocate "$cache/$version.part" "$base"
    chmod -R a+rX "$cache/$version.part"
    mv "$cache/$version.part" "$cache/$version"
done
for base in "$cache"/3.*; do
    [ ! -x "$base/bin/python3" ] || report "$(basename "$base")" "$base" "$base/bin/python3"
done
