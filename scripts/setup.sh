#!/usr/bin/env bash
# Installs the system packages that building, serving and testing need; says so. An ordinary user is told what to install.
#   scripts/setup.sh bench      also what `make bench` needs
#   scripts/setup.sh profile    also what `make profile` needs
#   scripts/setup.sh packages   also what `make test-packages` needs
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

if ! command -v cargo >/dev/null; then
    say "no Rust toolchain: install one from https://rustup.rs (1.88 or newer)"
    exit 1
fi

# Commits say why, in a form that git checks; in a work tree that has hooks of its own these stay.
if [ -d .git ] && command -v git >/dev/null && [ -z "$(git config core.hooksPath)" ]; then
    git config core.hooksPath .githooks || say "git's hooks could not be set"
fi

# package, and the file or command that shows it is there
wanted=(
    apache2:/usr/sbin/apache2       # the server
    apache2-dev:/usr/bin/apxs       # its headers
    gcc:/usr/bin/gcc                # links, and compiles the C shim
    libc6-dev:/usr/include/stdio.h
    libclang-dev:                   # reads the headers for the bindings
    python3:/usr/bin/python3        # the default interpreter
    python3-dev:                    # libpython for embedded mode; headers to build the control
    python3-venv:                   # examples and tests
    shellcheck:/usr/bin/shellcheck  # `make lint`
)
case ${1:-} in
bench) wanted+=(wrk:/usr/bin/wrk) ;;
profile) wanted+=(wrk:/usr/bin/wrk linux-perf:/usr/bin/perf strace:/usr/bin/strace) ;;
packages) wanted+=(debootstrap:/usr/sbin/debootstrap lintian:/usr/bin/lintian rpm:/usr/bin/rpmbuild) ;;
esac

if ! command -v dpkg-query >/dev/null; then
    missing=()
    command -v apxs >/dev/null || missing+=("httpd with its development files (apxs)")
    command -v gcc >/dev/null || missing+=("gcc")
    for entry in "${wanted[@]}"; do
        case ${entry%%:*} in
        wrk | linux-perf | strace) command -v "$(basename "${entry#*:}")" >/dev/null || missing+=("${entry%%:*}") ;;
        esac
    done
    if [ ${#missing[@]} -gt 0 ]; then
        say "this is not Debian or Ubuntu; please install: ${missing[*]}, libclang, python3 with venv"
        exit 1
    fi
    exit 0
fi

missing=()
for entry in "${wanted[@]}"; do
    package=${entry%%:*}
    file=${entry#*:}
    [ -n "$file" ] && [ -e "$file" ] && continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ]; then
    say "missing packages; please run: sudo apt-get install ${missing[*]}"
    exit 1
fi

say "installing ${missing[*]}"
# The package apache2 would start a server on port 80; nobody asked for one.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
say "done; the system's own apache2 service was not started"
