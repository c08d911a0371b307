#!/usr/bin/env bash
# Builds mod_wsgi_rs-*.rpm for the Fedora family into build/packages from the programs of `make build`, and prints its name.
#   MOD_WSGI_LIB names the folder with the programs, PACKAGES the folder for the result.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v rpmbuild >/dev/null || { echo "rpmbuild is missing: apt-get install rpm, or dnf install rpm-build" >&2; exit 1; }
modules=/usr/lib64/httpd/modules
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage
umask 022
mkdir -p "$stage" "${PACKAGES:=build/packages}"

packaging/stage.sh "$stage" "$modules"
for name in mod_wsgi-express mod_wsgi-ctl; do
    install -D -m 644 "packaging/completions/_$name" "$stage/usr/share/zsh/site-functions/_$name"
done
install -D -m 644 packaging/rpm/09-wsgi-rs.conf "$stage/etc/httpd/conf.modules.d/09-wsgi-rs.conf"
install -D -m 644 conf/wsgi.conf "$stage/etc/httpd/conf.d/wsgi-rs.conf"
install -D -m 644 CHANGELOG.md "$stage/usr/share/doc/mod_wsgi_rs/CHANGELOG.md"
install -D -m 644 LICENSE "$stage/usr/share/licenses/mod_wsgi_rs/LICENSE"

version=$(sed -nE '0,/^version = /s/^version = "(.*)"/\1/p' Cargo.toml)
rpmbuild -bb --quiet --define "_binary_payload w7.xzdio" --define "_topdir $work" --define "stage $stage" --define "modules $modules" \
    --define "given_version $version" packaging/rpm/mod_wsgi_rs.spec >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
result=$(find "$work/RPMS" -name '*.rpm')
mv "$result" "$PACKAGES/"
printf '%s\n' "$PACKAGES/$(basename "$result")"
