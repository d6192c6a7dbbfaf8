#!/bin/sh
# Has lintian look at the Debian package, installs it into a Debian that has nothing but
# what it depends on, upgrades and purges it.
# Needs root, dpkg-deb and debootstrap, Debian's mirror once; the first run takes some
# minutes, later ones half of one.  The bare Debian is kept in $CACHE.
#
#   tests/debian/run.sh dist/pgconflict_VERSION_ARCH.deb
set -eu
cd "$(dirname "$0")/../.."
SUITE=${SUITE:-bookworm}
CACHE=${CACHE:-/var/cache/pgconflict}
PYTHON=${PYTHON:-.venv/bin/python}
package=$(realpath "$1")
shift

for program in debootstrap dpkg-deb systemd-analyze; do
    command -v "$program" >/dev/null || {
        echo "$program is missing: apt install debootstrap dpkg systemd" >&2
        exit 1
    }
done
[ "$(id -u)" = 0 ] || { echo 'chroot needs root: sudo make test-deb' >&2; exit 1; }

# Debian's own checker; what it may overlook is in packaging/deb/lintian-overrides.
if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error,warning "$package"
else
    echo 'NOT CHECKED: the package, by lintian (apt install lintian)' >&2
    test -z "${CI:-}"
fi

work=$(mktemp -d /var/tmp/pgconflict-debian.XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
bare=$CACHE/debian-$SUITE.tar
if [ ! -e "$bare" ]; then
    mkdir -p "$CACHE"
    debootstrap --variant=minbase --include=python3,adduser "$SUITE" "$work/bare" >"$work/log" ||
        # No mirror, or no right to mount: that says nothing of the package.
        {
            tail -5 "$work/log" >&2
            echo "NOT TESTED: the package in a clean Debian ($SUITE): no debootstrap" >&2
            test -z "${PGCONFLICT_REQUIRE_DEBIAN:-}"
            exit
        }
    rm -f "$work"/bare/var/cache/apt/archives/*.deb "$work"/bare/var/lib/apt/lists/*_*
    tar --create --numeric-owner --directory="$work/bare" --file="$work/bare.tar" .
    # At once: a run that is ended here leaves no half of it.
    cp "$work/bare.tar" "$bare.$$" && mv "$bare.$$" "$bare"
fi
mkdir "$work/root"
tar --extract --numeric-owner --directory="$work/root" --file="$bare"

PGCONFLICT_DEBIAN_ROOT=$work/root PGCONFLICT_DEBIAN_PACKAGE=$package \
    "$PYTHON" -m pytest -p no:randomly tests/debian "$@"
