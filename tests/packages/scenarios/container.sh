#!/usr/bin/env bash
# The steps of examples/container/Dockerfile, done here; its command as process 1 of a PID and mount namespace.
. /scenarios/lib.sh

install curl
cd /scenarios/examples/container || exit 1
cp /scenarios/*.whl .
user=root
workdir=/
command=()

# Lines that end in a backslash go on.
steps=$(sed -e ':join' -e '/\\$/{N;s/\\\n *//;bjoin' -e '}' Dockerfile | grep -v '^#\|^$')
while read -r word rest; do
    case $word in
    FROM | EXPOSE) ;;
    STOPSIGNAL) stop=${rest#SIG} ;;
    RUN) bash -euc "${rest/apt-get update/true}" ;; # there is no network here
    COPY)
        mkdir -p "${rest##* }"
        # shellcheck disable=SC2086 # patterns
        cp ${rest% *} "${rest##* }"
        ;;
    WORKDIR) workdir=$rest ;;
    USER) user=$rest ;;
    CMD) mapfile -t command < <(python3 -c 'import json, sys; print("\n".join(json.loads(sys.argv[1])))' "$rest") ;;
    *) echo "unknown: $word"; exit 1 ;;
    esac
done <<<"$steps"

start() { # more words; $server is unshare, $first the container's process 1 as seen from here
    # A pipe that belongs to the user, as container engines make it.
    rm -f /tmp/pipe
    mkfifo -m 600 /tmp/pipe
    chown "$user" /tmp/pipe
    cat /tmp/pipe >/tmp/out &
    printed=$!
    (
        cd "$workdir" || exit 1
        exec unshare --pid --mount --fork --kill-child --mount-proc \
            setpriv --reuid="$user" --regid="$user" --clear-groups env -i PATH=/usr/bin:/bin "${command[@]}" "$@" >/tmp/pipe 2>&1 </dev/null
    ) &
    server=$!
}

ready() {
    for _ in $(seq 300); do
        ! grep -q '^Ready: ' /tmp/out || break
        kill -0 "$server" || break
        sleep 0.1
    done
    grep '^Ready: ' /tmp/out
    first=$(tr -d ' ' <"/proc/$server/task/$server/children")
}

await_end() { # sets $status
    status=0
    wait "$server" || status=$?
    wait "$printed"
    cat /tmp/out
}

# A request is under way when the signal comes: it is answered, atexit functions run, and the status is 0.
start
ready
curl --silent --fail http://localhost:8000/ | grep 'Hello from user 10001'
curl --silent --fail 'http://localhost:8000/?seconds=2' >/tmp/long &
long=$!
sleep 0.5 # the request is with the application; if not, it must be answered all the same
kill -s "$stop" "$first"
wait "$long"
grep 'Hello' /tmp/long
await_end
[ "$status" = 0 ]
grep 'ended in order' /tmp/out

# Ctrl-C twice ends it at once, although a request would take long.
start
ready
curl --silent 'http://localhost:8000/?seconds=20' >/dev/null &
long=$!
curl --silent --fail http://localhost:8000/ >/dev/null
kill -s INT "$first"
kill -s INT "$first" || true # it may have ended already
await_end
fails wait "$long" # its connection was cut

# A start that fails is not 0.
start --python-path /nowhere --entry-point no_such_module
await_end
[ "$status" != 0 ]
grep 'no_such_module' /tmp/out
