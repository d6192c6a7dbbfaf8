#!/bin/sh
# Builds pgconflict_VERSION_ARCH.deb from this tree into the folder given (dist).
#
#   packaging/deb/build.sh [FOLDER]
#   SUITE=trixie packaging/deb/build.sh     for Debian 13 instead of 12
#
# The package brings the Python libraries in the versions that were tested, in a folder
# of its own: a distribution has some of them too old and others not at all.  They are
# taken as wheels for the Python of the distribution, so that it does not matter which
# Python builds.  Needs dpkg-deb, PyPI, and in PYTHON what pgconflict needs, and pip.
set -eu
cd "$(dirname "$0")/../.."
OUT=${1:-dist}
SUITE=${SUITE:-bookworm}
PYTHON=${PYTHON:-python3}
REVISION=${REVISION:-1}

case $SUITE in
bookworm) deb=deb12 python=3.11 next=3.12 glibc="17 2_17 2_28 2_34 2_35 2_36" ;;
trixie) deb=deb13 python=3.13 next=3.14 glibc="17 2_17 2_28 2_34 2_35 2_36 2_39 2_41" ;;
*) echo "SUITE is bookworm or trixie, not $SUITE" >&2; exit 2 ;;
esac
arch=$(dpkg --print-architecture)
case $arch in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*) echo "no wheels are published for $arch" >&2; exit 2 ;;
esac
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' pgconflict/__init__.py)
full=$version-$REVISION~$deb
maintainer="The pgconflict developers <pgconflict@localhost>"

# The same tree gives the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
lib=$root/usr/lib/pgconflict
doc=$root/usr/share/doc/pgconflict
mkdir -p "$lib" "$doc/examples" "$root/usr/bin" "$root/lib/systemd/system" \
    "$root/etc/pgconflict" "$root/DEBIAN" "$OUT"

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
"$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir "$work" .
platforms=
for each in $glibc; do
    case $each in 17) each=manylinux2014_$machine ;; *) each=manylinux_${each}_$machine ;; esac
    platforms="$platforms --platform $each"
done
# shellcheck disable=SC2086  # a list of options
"$PYTHON" -m pip install --quiet --no-compile --target "$lib" --only-binary :all: \
    --implementation cp --python-version "$python" $platforms "$work"/pgconflict-*.whl
# Programs of the libraries, with this machine's Python in their first line.
rm -rf "$lib/bin"
find "$lib" -name __pycache__ -prune -exec rm -rf {} +

cat >"$root/usr/bin/pgconflict" <<'PROGRAM'
#!/usr/bin/python3 -I
"""pgconflict with the libraries of its own package, whatever else is installed."""
import sys

sys.path.insert(0, "/usr/lib/pgconflict")
from pgconflict.cli.main import program

sys.exit(program())
PROGRAM
chmod 755 "$root/usr/bin/pgconflict"

install -m 644 systemd/pgconflict.service "$root/lib/systemd/system/"
# Only an example: a daemon needs to know the nodes of this place.
install -m 644 config/pgconflict.example.yml "$root/etc/pgconflict/"
install -m 644 README.md "$doc/README.md"
# Where runbook_url of the alerting rules says they are.
cp -R docs "$doc/docs"
install -m 644 LICENSE "$doc/copyright"
install -m 644 config/prometheus-rules.yml "$doc/examples/"
install -m 644 config/grafana/dashboards/pgconflict.json "$doc/examples/"
gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
gzip -9n >"$doc/changelog.Debian.gz" <<CHANGELOG
pgconflict ($full) $SUITE; urgency=medium

  * What is new is in changelog.gz.

 -- $maintainer  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
CHANGELOG
mkdir -p "$root/usr/share/lintian/overrides"
install -m 644 packaging/deb/lintian-overrides "$root/usr/share/lintian/overrides/pgconflict"
PYTHONPATH=. "$PYTHON" tools/man_pages.py "$root/usr/share/man/man1"
gzip -9n "$root"/usr/share/man/man1/*
share=$root/usr/share
mkdir -p "$share/bash-completion/completions" "$share/zsh/vendor-completions" \
    "$share/fish/vendor_completions.d"
"$PYTHON" -m pgconflict completion bash >"$share/bash-completion/completions/pgconflict"
"$PYTHON" -m pgconflict completion zsh >"$share/zsh/vendor-completions/_pgconflict"
"$PYTHON" -m pgconflict completion fish >"$share/fish/vendor_completions.d/pgconflict.fish"

echo /etc/pgconflict/pgconflict.example.yml >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
    install -m 755 "packaging/deb/$script" "$root/DEBIAN/"
done
cat >"$root/DEBIAN/control" <<CONTROL
Package: pgconflict
Version: $full
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: adduser, libc6, python3 (>= $python~), python3 (<< $next~)
Recommends: systemd
Section: database
Priority: optional
Description: records PostgreSQL logical replication conflicts
 Reads the server logs and statistics of PostgreSQL 15 to 19, keeps every
 logical replication conflict as one row of a table, says what it did and
 what to do, exports metrics for Prometheus, and keeps sequences in step
 across nodes.
CONTROL
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z |
    xargs -0 md5sum >DEBIAN/md5sums)

find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec \
    touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
chmod -R u=rwX,go=rX "$root"
find "$lib" -name '*.so*' -exec chmod 644 {} +
file=$OUT/pgconflict_${full}_$arch.deb
dpkg-deb --root-owner-group -Zxz -z3 --build "$root" "$file" >/dev/null
echo "$file"
