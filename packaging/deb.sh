#!/usr/bin/env bash
# Builds libapache2-mod-wsgi-rs_*.deb into build/packages from the programs of `make build`, and prints its name.
#   MOD_WSGI_LIB names the folder with the programs, PACKAGES the folder for the result, DEB_COMPRESSION gzip for a quick look.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in dpkg-deb dpkg-shlibdeps; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install dpkg-dev" >&2; exit 1; }
done
package=libapache2-mod-wsgi-rs
modules=/usr/lib/apache2/modules
available=/etc/apache2/mods-available
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
root=$work/root
umask 022
mkdir -p "$root/DEBIAN" "$root$available" "$work/debian" "${PACKAGES:=build/packages}"

packaging/stage.sh "$root" "$modules"
for name in mod_wsgi-express mod_wsgi-ctl; do
    install -D -m 644 "packaging/completions/_$name" "$root/usr/share/zsh/vendor-completions/_$name"
done
install -m 644 packaging/debian/wsgi_rs.load "$root$available/wsgi_rs.load"
install -m 644 conf/wsgi.conf "$root$available/wsgi_rs.conf"

documents=$root/usr/share/doc/$package
mkdir -p "$documents"
install -m 644 packaging/debian/copyright "$documents/copyright"
gzip -9n <packaging/debian/changelog >"$documents/changelog.Debian.gz"
gzip -9n <CHANGELOG.md >"$documents/changelog.gz"
gzip -9n <packaging/debian/NEWS >"$documents/NEWS.Debian.gz"
install -D -m 644 packaging/debian/lintian-overrides "$root/usr/share/lintian/overrides/$package"

for script in postinst prerm postrm; do
    install -m 755 "packaging/debian/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find etc -type f | sort | sed 's,^,/,') >"$root/DEBIAN/conffiles"

version=$(sed -nE '1s/.*\((.*)\).*/\1/p' packaging/debian/changelog)
architecture=$(dpkg --print-architecture)
printf 'Source: %s\n\nPackage: %s\nArchitecture: any\n' "$package" "$package" >"$work/debian/control"
mapfile -t programs < <(cd "$work" && find "root$modules" -type f)
libraries=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "${programs[@]/#/-e}" | sed -n 's/^shlibs:Depends=//p')
size=$(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@LIBRARIES@|$libraries|" -e "s|@SIZE@|$size|" \
    -e '/^#/d' packaging/debian/control.in >"$root/DEBIAN/control"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

result=$PACKAGES/${package}_${version}_$architecture.deb
dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$root" "$result" >/dev/null
printf '%s\n' "$result"
