#!/usr/bin/env bash
# Lists and unpacks the .rpm, and lets an httpd read it in Fedora's layout, beside the file of python3-mod_wsgi.
#   rpm.sh RPM
set -euo pipefail
cd "$(dirname "$0")/../.."

rpm=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'rpm: %s\n' "$*" >&2; exit 1; }

[ "$(stat -c %s "$rpm")" -lt $((6 << 20)) ] || fail "larger than 6 MB"
files=$(rpm -qlp "$rpm")
for file in /usr/lib64/httpd/modules/mod_wsgi_rs.so /usr/lib64/httpd/modules/mod_wsgi/wsgi-supervisor /usr/bin/mod_wsgi-express \
    /usr/sbin/mod_wsgi-ctl /usr/share/man/man1/mod_wsgi-express.1.gz; do
    grep -qx "$file" <<<"$files" || fail "$file is not in it"
done
[ "$(rpm -qp --configfiles "$rpm" | sort | tr '\n' ' ')" = "/etc/httpd/conf.d/wsgi-rs.conf /etc/httpd/conf.modules.d/09-wsgi-rs.conf " ] ||
    fail "configuration files"
requires=$(rpm -qp --requires "$rpm")
grep -q '^httpd-mmn = 20120211' <<<"$requires" || fail "it does not require httpd's interface"
grep -qi 'libpython\|^python' <<<"$requires" && fail "it requires a Python"

(cd "$work" && rpm2archive -n <"$rpm" >archive.tar && tar -xf archive.tar)
settings=$work/etc/httpd
mkdir -p "$settings/run"
ln -s "$work/usr/lib64/httpd/modules" "$settings/modules"
cp "$work/usr/lib64/httpd/modules/mod_wsgi_rs.so" "$work/usr/lib64/httpd/modules/mod_wsgi_python3.so"
# As python3-mod_wsgi of Fedora has it.
cat >"$settings/conf.modules.d/10-wsgi-python3.conf" <<'CONF'
<IfModule !wsgi_module>
    LoadModule wsgi_module modules/mod_wsgi_python3.so
</IfModule>
CONF
folder=$(apxs -q LIBEXECDIR)
cat >"$settings/httpd.conf" <<CONF
ServerRoot $settings
DefaultRuntimeDir $settings/run
PidFile $settings/run/httpd.pid
ServerName localhost
Listen 127.0.0.1:1
LoadModule mpm_event_module $folder/mod_mpm_event.so
LoadModule authz_core_module $folder/mod_authz_core.so
IncludeOptional conf.modules.d/*.conf
IncludeOptional conf.d/*.conf
ErrorLog $settings/run/error.log
CONF
said=$("$(apxs -q SBINDIR)/$(apxs -q PROGNAME)" -d "$settings" -f "$settings/httpd.conf" -t -e debug 2>&1) || fail "$said"
grep -q 'loaded module wsgi_module from .*/mod_wsgi_rs.so' <<<"$said" || fail "$said"
[ "$(grep -c 'loaded module wsgi_module' <<<"$said")" = 1 ] || fail "$said"
"$work/usr/bin/mod_wsgi-express" --version >/dev/null || fail "mod_wsgi-express does not run"
printf 'ok      rpm\n'
