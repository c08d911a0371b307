#!/usr/bin/env bash
# Puts build/lib into httpd's module folder and two configuration files beside httpd's, below DESTDIR.
# On Debian and Ubuntu the module is then enabled with `a2enmod wsgi`.
set -euo pipefail
cd "$(dirname "$0")/.."

modules=$(apxs -q LIBEXECDIR)
settings=$(apxs -q SYSCONFDIR)
root=${DESTDIR:-}

install -D -m 644 build/lib/mod_wsgi.so "$root$modules/mod_wsgi.so"
install -D -m 755 build/lib/mod_wsgi/wsgi-supervisor "$root$modules/mod_wsgi/wsgi-supervisor"
sbin=$(apxs -q SBINDIR)
install -D -m 755 build/lib/mod_wsgi/mod_wsgi-ctl "$root$sbin/mod_wsgi-ctl"
bin=$(apxs -q bindir)
install -D -m 755 build/lib/mod_wsgi/mod_wsgi-express "$root$modules/mod_wsgi/mod_wsgi-express"
mkdir -p "$root$bin"
ln -sf "$modules/mod_wsgi/mod_wsgi-express" "$root$bin/mod_wsgi-express"
install -D -m 644 build/lib/mod_wsgi/python-host.abi3.so "$root$modules/mod_wsgi/python-host.abi3.so"

if [ -d "$settings/mods-available" ]; then
    folder="$root$settings/mods-available"
    load="$folder/wsgi.load"
    conf="$folder/wsgi.conf"
else # Fedora's layout: files are read in the order of their names
    folder="$root$settings/../conf.modules.d"
    load="$folder/10-wsgi.conf"
    conf="$folder/11-wsgi-settings.conf"
fi
mkdir -p "$folder"
printf 'LoadModule wsgi_module %s/mod_wsgi.so\n' "$modules" >"$load"
if [ -e "$conf" ]; then
    echo "kept your $conf"
else
    install -m 644 conf/wsgi.conf "$conf"
fi
echo "installed: $root$modules/mod_wsgi.so, $root$modules/mod_wsgi/, $root$sbin/mod_wsgi-ctl, $root$bin/mod_wsgi-express, $load, $conf"
[ -n "$root" ] || [ ! -d "$settings/mods-available" ] || echo "enable it with: a2enmod wsgi && systemctl restart apache2"
