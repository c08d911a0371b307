#!/usr/bin/env bash
# Lays out what every package of a distribution has in common.
#   stage.sh FOLDER MODULES     MODULES is httpd's module folder, as in /usr/lib/apache2/modules
# The module is called mod_wsgi_rs.so: mod_wsgi.so belongs to the distribution's own package, whose hooks put it back.
# MOD_WSGI_LIB names the folder with the built programs (default: build/lib).
set -euo pipefail
cd "$(dirname "$0")/.."

root=$1
modules=$2
lib=${MOD_WSGI_LIB:-build/lib}
[ -f "$lib/mod_wsgi.so" ] || { echo "there is no $lib/mod_wsgi.so: make build" >&2; exit 1; }

put() { # mode, file, name below the root
    install -D -m "$1" "$2" "$root$3"
}
program() { # mode, file, name below the root; without what only a debugger reads
    put "$@"
    strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root$3"
}
umask 022
program 644 "$lib/mod_wsgi.so" "$modules/mod_wsgi_rs.so"
program 644 "$lib/mod_wsgi/python-host.abi3.so" "$modules/mod_wsgi/python-host.abi3.so"
for name in wsgi-supervisor mod_wsgi-ctl mod_wsgi-express; do
    program 755 "$lib/mod_wsgi/$name" "$modules/mod_wsgi/$name"
done
mkdir -p "$root/usr/bin" "$root/usr/sbin"
ln -sfr "$root$modules/mod_wsgi/mod_wsgi-express" "$root/usr/bin/mod_wsgi-express"
ln -sfr "$root$modules/mod_wsgi/mod_wsgi-ctl" "$root/usr/sbin/mod_wsgi-ctl"
for name in mod_wsgi-express mod_wsgi-ctl; do
    put 644 "packaging/man/$name.1" "/usr/share/man/man1/$name.1"
    put 644 "packaging/completions/$name.bash" "/usr/share/bash-completion/completions/$name"
    put 644 "packaging/completions/$name.fish" "/usr/share/fish/vendor_completions.d/$name.fish"
done
find "$root/usr/share/man" -name '*.1' -exec gzip -9n {} +
