#!/usr/bin/env bash
# Installs the Debian package in clean Debian systems and looks at what becomes of sites. Needs root, debootstrap and a mirror.
#   run.sh DEB [SCENARIO…]      a scenario is a file of tests/packages/scenarios, without .sh; all by default
# SUITES names releases of Debian (default: bookworm trixie), WHEEL the wheel (without it, its scenarios are left out), PYTHON the home of a Python that is not Debian's.
# Each scenario gets a fresh copy of a minimal system, with PIDs, mounts and a loopback of its own, and no way out.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/cache.sh

deb=$(realpath "$1")
shift
[ "$(id -u)" = 0 ] || { say "root is needed: debootstrap and mount"; exit 1; }
command -v debootstrap >/dev/null || { say "debootstrap is missing: apt-get install debootstrap"; exit 1; }
mirror=${MIRROR:-http://deb.debian.org/debian}
cache=$(cache_dir mod-wsgi-debians)
work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
exec 9<"$cache"

# What scenarios install; it is in the folder of apt before the network is taken away.
wanted=(apache2 curl python3 python3-venv libapache2-mod-wsgi-py3)

base() { # suite: a minimal system, made once
    local folder=$cache/$1
    [ ! -e "$folder/.complete" ] || return 0
    say "debootstrap of $1 into $folder (once)"
    rm -rf "$folder"
    debootstrap --variant=minbase "$1" "$folder" "$mirror" >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log"; exit 1; }
    cp /etc/resolv.conf "$folder/etc/resolv.conf"
    chroot "$folder" apt-get install -y -qq --download-only "${wanted[@]}" >/dev/null
    # The default Python's library, for embedded mode.
    local version
    version=$(chroot "$folder" apt-cache show python3 | sed -nE 's/^Version: (3\.[0-9]+).*/\1/p' | head -n 1)
    chroot "$folder" apt-get install -y -qq --download-only "libpython$version" >/dev/null
    touch "$folder/.complete"
}

wheels() { # what the examples need, for the Pythons of all releases
    local folder=$cache/wheels pip version
    [ ! -e "$folder/.complete" ] || return 0
    pip=$(scripts/venv.sh tests/packages)/bin/pip
    for version in 3.11 3.13; do
        "$pip" download --quiet --dest "$folder" --only-binary=:all: --python-version "$version" \
            -r examples/django/requirements.txt -r examples/flask/requirements.txt
    done
    touch "$folder/.complete"
}

run() { # suite, scenario
    local place=$work/$1-$2
    mkdir -p "$place"/{upper,work,root}
    # shellcheck disable=SC2016 # the shell inside expands it
    unshare --mount --pid --net --ipc --uts --fork --kill-child -- bash -euo pipefail -c '
        place=$1 base=$2 suite=$3
        shift 3
        mount --make-rprivate /
        mount -t overlay overlay -o "lowerdir=$base,upperdir=$place/upper,workdir=$place/work" "$place/root"
        root=$place/root
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmpfs "$root/tmp"
        mount -t tmpfs tmpfs "$root/run"
        mount --bind /dev "$root/dev"
        mkdir -p "$root/run/lock" "$root/scenarios"
        # Services may be restarted, and nobody needs what is written to outlive a power cut.
        printf "#!/bin/sh\nexit 0\n" >"$root/usr/sbin/policy-rc.d"
        chmod 755 "$root/usr/sbin/policy-rc.d"
        echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
        cp "$1" "$root/scenarios/mod_wsgi.deb"
        cp tests/packages/lib.sh "$2" "$root/scenarios/"
        cp -r docs examples "$root/scenarios/"
        cp -r "$5" "$root/scenarios/wheels"
        [ -z "$3" ] || cp "$3" "$root/scenarios/"
        [ -z "$4" ] || { mkdir -p "$root/opt/python" && mount --bind "$4" "$root/opt/python"; }
        ip link set lo up
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive SUITE="$suite" \
            bash -euo pipefail "/scenarios/$(basename "$2")"
    ' run "$place" "$cache/$1" "$1" "$deb" "tests/packages/scenarios/$2.sh" "${WHEEL:-}" "${PYTHON:-}" "$cache/wheels" >"$place/log" 2>&1 </dev/null
}

scenarios=("$@")
if [ ${#scenarios[@]} = 0 ]; then
    for file in tests/packages/scenarios/*.sh; do
        name=$(basename "$file" .sh)
        [ -z "${WHEEL:-}" ] && [[ $name =~ ^(wheel|container|docs)$ ]] || scenarios+=("$name")
    done
fi
wheels
failed=0
for suite in ${SUITES:-bookworm trixie}; do
    base "$suite"
    for scenario in "${scenarios[@]}"; do
        if run "$suite" "$scenario"; then
            printf 'ok      %s %s\n' "$suite" "$scenario"
            grep '^Ready: ' "$work/$suite-$scenario/log" || true
        else
            printf 'FAILED  %s %s\n' "$suite" "$scenario"
            tail -n 60 "$work/$suite-$scenario/log"
            failed=1
        fi
        rm -rf "${work:?}/$suite-$scenario"
    done
done
exit "$failed"
