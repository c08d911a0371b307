#!/usr/bin/env bash
# install.sh              puts build/lib, the configuration and the documents into httpd's folders, below DESTDIR
# install.sh --uninstall  takes away what it has put there, and puts back what it has replaced
# The files are listed in mod_wsgi/installed, beside the module. On Debian and Ubuntu the module is then enabled with
# `a2enmod wsgi`.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022 # whatever root's is: httpd's children and daemons read these files
root=${DESTDIR:-}

command -v apxs >/dev/null || {
    echo "there is no apxs, which knows httpd's folders: install apache2-dev (Fedora: httpd-devel)" >&2
    exit 1
}
modules=$(apxs -q LIBEXECDIR)
settings=$(apxs -q SYSCONFDIR)
sbin=$(apxs -q SBINDIR)
bin=$(apxs -q bindir)
share=$(dirname "$bin")/share
own=$modules/mod_wsgi
list=$root$own/installed
if [ -d "$settings/mods-available" ]; then
    load=$settings/mods-available/wsgi.load
    conf=$settings/mods-available/wsgi.conf
elif [ -d "$settings/../conf.modules.d" ]; then # Fedora's layout: files are read in the order of their names
    folder=$(cd "$settings/../conf.modules.d" && pwd)
    load=$folder/10-wsgi.conf
    conf=$folder/11-wsgi-settings.conf
else
    load=$settings/extra/wsgi-load.conf
    conf=$settings/extra/wsgi.conf
fi

uninstall() {
    [ -f "$list" ] || { echo "nothing to take away: there is no $list" >&2; exit 1; }
    local file
    while read -r file; do
        rm -f "$root$file"
    done <"$list"
    rmdir --ignore-fail-on-non-empty "$root$share/doc/mod_wsgi-rs"/{docs,} 2>/dev/null || true
    if cmp -s "$root$conf" "$root$own/wsgi.conf"; then
        rm -f "$root$conf"
    elif [ -e "$root$conf" ]; then
        echo "kept your $root$conf"
    fi
    if [ -d "$root$own/replaced" ]; then
        (cd "$root$own/replaced" && find . ! -type d -print0) | while IFS= read -r -d '' file; do
            mkdir -p "$(dirname "$root/$file")"
            mv "$root$own/replaced/$file" "$root/$file"
            echo "put back: ${file#.}"
        done
    fi
    rm -rf "$root${own:?}"
    # A link to a file that is gone keeps httpd from starting.
    for link in "$root$settings/mods-enabled/wsgi.load" "$root$settings/mods-enabled/wsgi.conf"; do
        [ -e "$link" ] || rm -f "$link"
    done
    echo "uninstalled; restart httpd"
}

owner() { # whose file it is
    if [ -n "$root" ]; then
        echo "another installation"
    elif command -v dpkg >/dev/null; then
        dpkg -S "$1" 2>/dev/null | sed -n 's/: .*//p' | grep . || echo "no package"
    elif command -v rpm >/dev/null; then
        rpm -qf "$1" 2>/dev/null || echo "no package"
    else
        echo "another installation"
    fi
}

files=()
replaced=""
put() { # mode, file, name below the root
    keep "$3"
    install -D -m "$1" "$2" "$root$3"
    files+=("$3")
}
keep() { # sets aside what somebody else has there
    if [ -n "$is_first" ] && { [ -e "$root$1" ] || [ -L "$root$1" ]; }; then
        echo "replaced: $root$1 (of $(owner "$1"); make uninstall puts it back)"
        mkdir -p "$root$own/replaced$(dirname "$1")"
        mv "$root$1" "$root$own/replaced$1"
        replaced=$1
    fi
}

[ "${1:-}" != --uninstall ] || { uninstall; exit; }
for file in mod_wsgi.so mod_wsgi/{wsgi-supervisor,mod_wsgi-ctl,mod_wsgi-express,python-host.abi3.so}; do
    [ -f "build/lib/$file" ] || { echo "there is no build/lib/$file: run make build first, as yourself" >&2; exit 1; }
done
is_first=yes
# An installation of before the list was kept is ours, too.
if [ -e "$list" ] || [ -e "$root$own/wsgi-supervisor" ]; then is_first=""; fi

put 644 build/lib/mod_wsgi.so "$modules/mod_wsgi.so"
put 644 build/lib/mod_wsgi/python-host.abi3.so "$own/python-host.abi3.so"
put 755 build/lib/mod_wsgi/wsgi-supervisor "$own/wsgi-supervisor"
put 755 build/lib/mod_wsgi/mod_wsgi-express "$own/mod_wsgi-express"
put 755 build/lib/mod_wsgi/mod_wsgi-ctl "$sbin/mod_wsgi-ctl"
keep "$bin/mod_wsgi-express"
mkdir -p "$root$bin"
ln -sfn "$own/mod_wsgi-express" "$root$bin/mod_wsgi-express"
files+=("$bin/mod_wsgi-express")
for file in README.md CHANGELOG.md LICENSE docs/*.md; do
    put 644 "$file" "$share/doc/mod_wsgi-rs/$file"
done
for file in packaging/man/*.1; do
    [ ! -e "$file" ] || put 644 "$file" "$share/man/man1/${file##*/}"
done

keep "$load"
mkdir -p "$root$(dirname "$load")"
printf 'LoadModule wsgi_module %s/mod_wsgi.so\n' "$modules" >"$root$load"
files+=("$load")
# One that nobody has changed follows the new version.
if [ ! -e "$root$conf" ] || cmp -s "$root$conf" "$root$own/wsgi.conf"; then
    install -m 644 conf/wsgi.conf "$root$conf"
else
    echo "kept your $root$conf"
fi
install -m 644 conf/wsgi.conf "$root$own/wsgi.conf"
printf '%s\n' "${files[@]}" >"$list"

echo "installed: $root$modules/mod_wsgi.so, $root$own/, $root$sbin/mod_wsgi-ctl, $root$bin/mod_wsgi-express, $root$load, $root$share/doc/mod_wsgi-rs/"
for other in "$root$(dirname "$load")"/*.conf "$root$settings"/mods-enabled/*.load; do
    if [ -e "$other" ] && ! [ "$other" -ef "$root$load" ] && grep -qs '^ *LoadModule  *wsgi_module' "$other"; then
        echo "take care: $other loads a wsgi_module too, and the first one counts; remove it (or its package)"
    fi
done
if [ -n "$replaced" ] && [ -z "$root" ]; then
    echo "if a package of the distribution owns what was replaced, remove that package: its next update would put its module back"
fi
if [ -z "$root" ]; then
    case $load in
        */mods-available/*) echo "enable it with: a2enmod wsgi && systemctl restart apache2" ;;
        */conf.modules.d/*) echo "it is enabled; now: systemctl restart httpd" ;;
        *) echo "write into httpd.conf: Include $load and Include $conf" ;;
    esac
fi
