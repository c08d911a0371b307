#!/usr/bin/env bash
# The Pythons that no stable distribution has yet, for `make test-pythons`: a folder with Debian's unstable, its httpd, and its
# Pythons 3.14 (as /usr/bin/python3) and 3.15, in which the integration tests run. As root; the folder is made once, from
# Debian's packages, and takes half a gigabyte of MOD_WSGI_CACHE.
#   newer_pythons.sh missing       names what is missing, and changes nothing
#   newer_pythons.sh run CMD...    makes the folder if need be, and runs a command in it, in the same working tree
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

packages=apache2-bin,python3,python3-venv,python3.15,python3.15-venv,libpython3.14,libpython3.15,media-types
newest=3.15

root=${MOD_WSGI_CACHE}/mod-wsgi-unstable/root

is_there() { [ -e "$root/.complete" ]; }

make_root() {
    [ "$(id -u)" = 0 ] || { say "only root can make $root"; exit 1; }
    command -v debootstrap >/dev/null || { say "install debootstrap"; exit 1; }
    say "unpacking Debian's unstable in $root (once)"
    rm -rf "$root"
    debootstrap --variant=minbase --include="$packages" sid "$root" >"$root.log" 2>&1 ||
        { tail -n 5 "$root.log" >&2; say "it cannot be unpacked; see $root.log"; exit 1; }
    # What the tests ask apxs; the package that has it needs a compiler.
    cat >"$root/usr/local/bin/apxs" <<'APXS'
#!/bin/sh
case $2 in SBINDIR) echo /usr/sbin ;; PROGNAME) echo apache2 ;; LIBEXECDIR) echo /usr/lib/apache2/modules ;; esac
APXS
    chmod +x "$root/usr/local/bin/apxs"
    a_home_of_its_own
    touch "$root/.complete"
}

# Python 3.15 as an installation that scripts/pythons.sh finds: its python3 is another one's in /usr/bin.
a_home_of_its_own() {
    local version home
    version=$(chroot "$root" "python$newest" -c 'import platform; print(platform.python_version())')
    home=$root/var/tmp/mod-wsgi-pythons/$version
    mkdir -p "$home/bin" "$home/lib"
    cp "$root/usr/bin/python$newest" "$home/bin/"
    ln -s "python$newest" "$home/bin/python3"
    cp -a "$root/usr/lib/python$newest" "$home/lib/"
    cp "$root"/usr/lib/*/"libpython$newest.so.1.0" "$home/lib/"
}

run() {
    local tree
    tree=$(realpath ..)
    mkdir -p "$root$tree"
    # Mounts of this command only.
    # shellcheck disable=SC2016
    exec unshare --mount --propagation private bash -ec '
        root=$1 tree=$2
        shift 2
        mount --bind "$tree" "$root$tree"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        exec chroot "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            MODULE_UNDER_TEST=ours "$@"' run "$root" "$tree" "$@"
}

case ${1:-} in
missing) is_there || say "not run: Python 3.14 and 3.15 (make test-pythons gets them)" ;;
run)
    shift
    exec 8<"$(cache_dir mod-wsgi-unstable)"
    flock 8 # one at a time
    is_there || make_root
    flock -u 8
    run "$@"
    ;;
*) say "usage: newer_pythons.sh missing | run CMD..."; exit 2 ;;
esac
