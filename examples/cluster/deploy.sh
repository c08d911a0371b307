#!/usr/bin/env bash
# Rolls a release over application hosts, one after the other, without losing a request; stops at the first failure.
#
#   deploy.sh RELEASE HOST...
#
# RELEASE is a folder /srv/app/releases/RELEASE that is on every host already; /srv/app/current points to the one that
# serves. Each host is drained (the front's health check sees it, and sends requests elsewhere), gets the new release,
# must answer SMOKE itself, and is put back. A host that fails stays drained, and the rest keep the old release.
#
# Set from outside: SSH (how to run a command on a host), CTL, GROUP, DRAIN (seconds that the front needs to notice),
# SMOKE (URL on the host), PATIENCE (seconds).
set -euo pipefail

: "${SSH:=ssh}" "${CTL:=mod_wsgi-ctl}" "${GROUP:=app}" "${DRAIN:=5}" "${PATIENCE:=60}"
: "${SMOKE:=http://127.0.0.1:8080/}" "${HEALTH:=http://127.0.0.1:8080/wsgi-health}" "${ROOT:=/srv/app}"

say() { printf 'deploy: %s\n' "$*" >&2; }
on() { "$SSH" "$host" "$1"; }

[ $# -ge 2 ] || { say "usage: deploy.sh RELEASE HOST..."; exit 2; }
release=$1
shift
case $release in *[!A-Za-z0-9._-]* | .*) say "the name of a release has letters, digits, '.', '_' and '-'"; exit 2 ;; esac

for host in "$@"; do
    trap 'say "$host: failed; it stays drained, hosts after it keep their release"' ERR
    say "$host: drained for $DRAIN s, then until no request is under way"
    on "$CTL drain --time $DRAIN --timeout $PATIENCE"
    on "test -d $ROOT/releases/$release && ln -sfn releases/$release $ROOT/current.new && mv -T $ROOT/current.new $ROOT/current"
    # The drained state outlives it. If the new code cannot be imported, the old one goes on, and this fails.
    on "$CTL restart $GROUP --timeout $PATIENCE"
    on "curl --fail --silent --show-error --output /dev/null --max-time $PATIENCE '$SMOKE'"
    on "$CTL undrain"
    for ((left = PATIENCE; ; left--)); do
        on "curl --fail --silent --output /dev/null --max-time 5 '$HEALTH'" && break
        [ "$left" -gt 0 ] || { say "$host: not healthy after $PATIENCE s; hosts after it keep their release"; exit 1; }
        sleep 1
    done
    say "$host: serves $release"
done
