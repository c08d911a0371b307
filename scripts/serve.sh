#!/usr/bin/env bash
# Serves one application in daemon mode with the module of build/lib, streams the log, and stops on Ctrl-C.
#   APP          the script (default: examples/hello/wsgi.py); its callable is named `application`
#   PORT         the loopback port (default 8000)
#   PYTHON_HOME  a virtual environment or installation (default: the `python3` of PATH when the daemon may run it, else /usr)
# As root httpd's children and the daemon become www-data; as an ordinary user no identity is changed.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'serve: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

app=${APP:-examples/hello/wsgi.py}
port=${PORT:-8000}
[ -f "$app" ] || fail "no such file: $app"
app=$(realpath "$app")
user=$(id -un)
identity=""
if [ "$(id -u)" = 0 ]; then
    for user in www-data apache http daemon; do id "$user" >/dev/null 2>&1 && break; done
    identity="User $user"$'\n'"Group $(id -gn "$user")"
fi
as_user() { # through `env`: setpriv itself still looks the command up with root's capabilities
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid="$user" --regid="$(id -gn "$user")" --clear-groups -- env "$@"
    else
        "$@"
    fi
}

root=$(mktemp -d /var/tmp/mod-wsgi-serve.XXXXXX)
server=$(apxs -q SBINDIR)/$(apxs -q PROGNAME)
modules=$(apxs -q LIBEXECDIR)
httpd() { "$server" -d "$root" -f "$root/httpd.conf" "$@"; }

tail=""
stop() {
    trap - EXIT INT TERM
    [ -z "$tail" ] || kill "$tail" 2>/dev/null || true
    if [ -s "$root/run/httpd.pid" ]; then
        local pid
        pid=$(cat "$root/run/httpd.pid")
        httpd -k stop || true
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    fi
    rm -rf "$root"
    say "stopped"
}
trap stop EXIT
trap 'exit 0' INT TERM

chmod 755 "$root"
mkdir "$root/run" "$root/htdocs"
cp -r build/lib "$root/lib" # the checkout may lie where httpd's children may not look
chmod -R a+rX "$root/lib"

if ! as_user test -r "$app"; then
    [ -z "${APP:-}" ] || fail "$user, as whom the application runs, may not read $app: move it, open its folders, or serve as an ordinary user"
    cp -r "$(dirname "$app")" "$root/app"
    app=$root/app/$(basename "$app")
fi

home=${PYTHON_HOME:-}
if [ -z "$home" ]; then
    home=$(python3 -c 'import sys; print(sys.prefix)' 2>/dev/null || echo /usr)
    as_user "$home/bin/python3" -c pass 2>/dev/null || home=/usr
fi
home=$(realpath -s "$home")
as_user "$home/bin/python3" -c pass || fail "$user cannot run $home/bin/python3: give another PYTHON_HOME"

load() { for name in "$@"; do
    [ ! -e "$modules/mod_$name.so" ] || printf 'LoadModule %s_module %s/mod_%s.so\n' "$name" "$modules" "$name"
done; }
cat >"$root/httpd.conf" <<CONF
ServerRoot $root
DefaultRuntimeDir $root/run
PidFile $root/run/httpd.pid
ServerName localhost
Listen 127.0.0.1:$port
DocumentRoot $root/htdocs
$(load mpm_event authz_core unixd log_config mime)
LoadModule wsgi_module $root/lib/mod_wsgi.so
$identity
TypesConfig /dev/null
ErrorLog $root/error.log
LogLevel warn wsgi:info
LogFormat "%h \"%r\" %>s %b %Dus" line
CustomLog $root/access.log line
WSGISocketPrefix $root/run/wsgi
WSGIPythonHome $home
WSGIDaemonProcess serve threads=8 home=$(dirname "$app") display-name=%{GROUP}
WSGIProcessGroup serve
WSGIApplicationGroup %{GLOBAL}
WSGIRestrictEmbedded On
WSGIScriptAlias / $app
<Directory $(dirname "$app")>
    Require all granted
</Directory>
CONF

touch "$root/error.log" "$root/access.log"
httpd -k start || { cat "$root/error.log" >&2; fail "httpd did not start"; }
say "$app on $("$home/bin/python3" -V) of $home, run as $user"
say "http://localhost:$port/ (Ctrl-C stops)"
tail -q -n +1 -F "$root/error.log" "$root/access.log" 2>/dev/null &
tail=$!
wait "$tail" || true
