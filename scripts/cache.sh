# shellcheck shell=bash
# The world-readable cache outside the tree for Pythons, venvs and control modules; sourced by the other scripts.
#
# Children of httpd run as www-data and daemons as other users, so what they load must not lie under a private home.

MOD_WSGI_CACHE=${MOD_WSGI_CACHE:-/var/tmp}

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# cache_dir NAME: prints $MOD_WSGI_CACHE/NAME, created when missing. A folder that belongs to someone else than root or
# ourselves is refused: we would run what its owner put there.
cache_dir() {
    local dir="$MOD_WSGI_CACHE/$1" owner
    mkdir -p "$MOD_WSGI_CACHE"
    [ -d "$dir" ] || mkdir -m 755 "$dir"
    owner=$(stat -c %u "$dir")
    if [ "$owner" != 0 ] && [ "$owner" != "$(id -u)" ]; then
        say "$dir belongs to user id $owner; set MOD_WSGI_CACHE to a folder of your own"
        exit 1
    fi
    printf '%s\n' "$dir"
}
