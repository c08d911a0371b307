# Controls the server of this folder. Written by mod_wsgi-express: changes are lost when it is set up again.
# @COMMAND@

root=@ROOT@
conf="$root/httpd.conf"
pid_file=@PID_FILE@
httpd=@HTTPD@
express=@EXPRESS@
name=@PROCESS_NAME@
default_user=@USER@
default_group=@GROUP@

MOD_WSGI_MODULES_DIRECTORY=@MODULES@
MOD_WSGI_SERVER_ROOT=$root
MOD_WSGI_LISTENER_HOST=@HOST@
MOD_WSGI_HTTP_PORT=@PORT@
MOD_WSGI_HTTPS_PORT=@HTTPS_PORT@
MOD_WSGI_WORKING_DIRECTORY=@WORKING_DIRECTORY@
MOD_WSGI_USER=${MOD_WSGI_USER:-${WSGI_RUN_USER:-$default_user}}
MOD_WSGI_GROUP=${MOD_WSGI_GROUP:-${WSGI_RUN_GROUP:-$default_group}}
LANG=@LOCALE@
LC_ALL=@LOCALE@
export MOD_WSGI_MODULES_DIRECTORY MOD_WSGI_SERVER_ROOT MOD_WSGI_LISTENER_HOST MOD_WSGI_HTTP_PORT MOD_WSGI_HTTPS_PORT
export MOD_WSGI_WORKING_DIRECTORY MOD_WSGI_USER MOD_WSGI_GROUP LANG LC_ALL

# /dev/stderr cannot be opened when it is a socket, or a pipe of another user: then a process copies.
MOD_WSGI_ERROR_LOG=/dev/stderr
MOD_WSGI_ACCESS_LOG=/dev/stdout
(: >>/proc/self/fd/3) 3>&2 2>/dev/null || MOD_WSGI_ERROR_LOG='|$exec cat >&2'
(: >>/proc/self/fd/3) 3>&1 2>/dev/null || MOD_WSGI_ACCESS_LOG='|$exec cat'
export MOD_WSGI_ERROR_LOG MOD_WSGI_ACCESS_LOG

. "$root/envvars"

run() {
    cd "$MOD_WSGI_WORKING_DIRECTORY" || exit 1
    set -- -f "$conf" @STARTUP_LOG@ @ONE_PROCESS@ "$@"
    @GDB@
    if [ -n "${BASH_VERSION:-}" ]; then
        exec -a "$name" "$httpd" "$@"
    fi
    exec "$httpd" "$@"
}

# A pid file of an earlier life, of a container say, names a process that is something else now.
forget_old_pid() {
    [ -s "$pid_file" ] || return 0
    pid=$(cat "$pid_file")
    if [ -r "/proc/$pid/cmdline" ] && tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$conf"; then
        echo "apachectl: the server of $root runs already, as process $pid" >&2
        exit 1
    fi
    rm -f "$pid_file"
}

case "${1:-}" in
start)
    if [ "$(id -u)" = 0 ] && { [ "$MOD_WSGI_USER" = root ] || [ "$MOD_WSGI_USER" = "#0" ]; }; then
        echo "apachectl: an application is not run as root: set it up with --user and --group" >&2
        exit 1
    fi
    forget_old_pid
    "$express" x-environment --server-root "$root" || exit 1
    @WATCH@
    shift
    run -k start "$@"
    ;;
stop | restart | graceful | graceful-stop)
    action=$1
    shift
    run -k "$action" "$@"
    ;;
configtest)
    shift
    run -t "$@"
    ;;
status)
    shift
    exec "$express" ctl --server-root "$root" status "$@"
    ;;
"")
    run -h
    ;;
*)
    run "$@"
    ;;
esac
