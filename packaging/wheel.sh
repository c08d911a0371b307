#!/usr/bin/env bash
# Builds the wheel mod_wsgi_rs-*.whl, one for every Python from 3.9, into build/packages, and prints its name.
#   MOD_WSGI_LIB names the folder with the programs (default: build/lib), PACKAGES the folder for the result.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${PACKAGES:=build/packages}"
export MOD_WSGI_LIB=${MOD_WSGI_LIB:-build/lib}
name=$(python3 -B - "$PACKAGES" <<'PYTHON'
import sys

sys.path.insert(0, "packaging/python")
import wheel_backend

print(wheel_backend.build_wheel(sys.argv[1]))
PYTHON
)
printf '%s\n' "$PACKAGES/$name"
