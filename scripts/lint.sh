#!/usr/bin/env bash
# What must be clean before anything is tested: rustfmt, clippy, ruff and shellcheck. Changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'lint: %s\n' "$*" >&2; }

for tool in fmt clippy; do
    if ! cargo "$tool" --version >/dev/null 2>&1; then
        say "cargo $tool is missing: rustup component add rustfmt clippy"
        exit 1
    fi
done
cargo fmt --all --check || { say "cargo fmt --all mends it"; exit 1; }
cargo clippy --quiet --workspace --all-targets -- -D warnings
# A workspace of its own, which only `make fuzz` links with libFuzzer.
cargo fmt --manifest-path fuzz/Cargo.toml --check || { say "cargo fmt --manifest-path fuzz/Cargo.toml mends it"; exit 1; }
CUSTOM_LIBFUZZER_PATH=/none/libfuzzer.a cargo clippy --quiet --locked --manifest-path fuzz/Cargo.toml --target-dir target -- -D warnings

"$(scripts/venv.sh scripts/lint)/bin/ruff" check --quiet --no-cache .

# Every script: by its name, or by its first line.
mapfile -t scripts < <(find . \( -name target -o -name build -o -name .git \) -prune -o -type f -size -200k -print |
    while read -r file; do
        case $file in
        *.sh) printf '%s\n' "$file" ;;
        *.rs | *.md | *.py | *.toml | *.lock) ;;
        *) if head -c 64 "$file" | head -n 1 | tr -d '\0' | grep -qE '^#!.*(bash|/sh)'; then printf '%s\n' "$file"; fi ;;
        esac
    done)
shellcheck --exclude=SC1091 "${scripts[@]}" # SC1091: cache.sh is checked by itself
