#!/usr/bin/env bash
# Makes a virtual environment with the packages that an example names, once, in a cache that every user can read.
#   scripts/venv.sh examples/django [python3]     prints its path
set -euo pipefail
folder=$(realpath "$1")
python=${2:-/usr/bin/python3}
cd "$(dirname "$0")"
. ./cache.sh

cache=$(cache_dir mod-wsgi-venvs)
exec 9<"$cache"
flock 9 # one at a time
stamp=$( (cat "$folder/requirements.txt"; "$python" -V; echo "$python") | sha256sum | cut -c 1-12)
venv=$cache/$(basename "$folder")-$stamp
if [ ! -e "$venv/.complete" ]; then
    say "installing $(tr '\n' ' ' <"$folder/requirements.txt")in $venv (once)"
    rm -rf "$venv"
    "$python" -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --no-cache-dir -r "$folder/requirements.txt" >&2
    chmod -R a+rX "$venv"
    touch "$venv/.complete"
fi
printf '%s\n' "$venv"
