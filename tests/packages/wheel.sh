#!/usr/bin/env bash
# Looks at the wheel with auditwheel: its tag says which glibc it needs, and nothing has to be mended. Builds the source distribution.
#   wheel.sh WHEEL
set -euo pipefail
cd "$(dirname "$0")/../.."

wheel=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'wheel: %s\n' "$*" >&2; exit 1; }

[ "$(stat -c %s "$wheel")" -lt $((6 << 20)) ] || fail "larger than 6 MB"
tools=$(scripts/venv.sh tests/packages)/bin
export PATH=$tools:$PATH
shown=$(auditwheel show "$wheel" | tr '\n' ' ')
tag=$(basename "$wheel" .whl)
tag=${tag##*-}
grep -q "consistent with the following platform tag: \"$tag\"" <<<"$shown" || fail "$shown"
auditwheel repair -w "$work/repaired" "$wheel" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
[ "$(basename "$work"/repaired/*.whl)" = "$(basename "$wheel")" ] || fail "auditwheel calls it $(ls "$work/repaired")"
printf 'ok      wheel\n'

# A source distribution is a checkout without git: it is built where cargo and httpd's headers are.
python3 -B - "$work" <<'PYTHON'
import sys

sys.path.insert(0, "packaging/python")
import wheel_backend

wheel_backend.build_sdist(sys.argv[1])
PYTHON
pip wheel --quiet --no-deps --no-index --no-build-isolation -w "$work/built" "$work"/mod_wsgi_rs-*.tar.gz
[ "$(basename "$work"/built/*.whl)" = "$(basename "$wheel")" ] || fail "the source distribution gives $(ls "$work/built")"
printf 'ok      sdist\n'
