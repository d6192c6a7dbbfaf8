#!/bin/sh
# Runs the unit for real: boots a Debian with systemd in a container of this machine,
# installs pgconflict in it, and lets systemd start, reload, watch and end the daemon.
# Needs root, debootstrap and systemd-container, Debian's mirror and PyPI; the first run
# takes some minutes, later ones about one.
#
#   tests/systemd/run.sh                 Debian 12, systemd 252
#   SUITE=trixie tests/systemd/run.sh    Debian 13, systemd 257
#   PACKAGE=dist/FILE.deb ROOT=/var/tmp/new tests/systemd/run.sh    the Debian package
#
# The container's files are in $ROOT and stay for the next run.
set -eu
cd "$(dirname "$0")/../.."
SUITE=${SUITE:-bookworm}
ROOT=${ROOT:-/var/tmp/pgconflict-systemd-$SUITE}
PYTHON=${PYTHON:-.venv/bin/python}

for program in debootstrap systemd-nspawn nsenter; do
    command -v "$program" >/dev/null || {
        echo "$program is missing: apt install debootstrap systemd-container" >&2
        exit 1
    }
done

if [ ! -e "$ROOT/.made" ]; then
    rm -rf "$ROOT"
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,python3,python3-venv "$SUITE" "$ROOT"
    # The account that the unit names.
    chroot "$ROOT" useradd --system --no-create-home --shell /usr/sbin/nologin pgconflict
    touch "$ROOT/.made"
fi

# For what the runbook on clocks has typed.
if [ ! -e "$ROOT/usr/bin/chronyc" ]; then
    chroot "$ROOT" apt-get -qq update
    DEBIAN_FRONTEND=noninteractive chroot "$ROOT" apt-get -qq install --yes \
        --no-install-recommends chrony procps >/dev/null
fi

if [ -n "${PACKAGE:-}" ]; then
    cp "$PACKAGE" "$ROOT/var/tmp/pgconflict.deb"
    chroot "$ROOT" apt-get -qq install --yes --reinstall --allow-downgrades \
        /var/tmp/pgconflict.deb
    PGCONFLICT_SYSTEMD_ROOT=$ROOT "$PYTHON" -m pytest -p no:randomly tests/systemd "$@"
    exit
fi

# pip finds this machine's certificates and settings.
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
"$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir "$wheels" .
pip_conf=$wheels/pip.conf
grep -h '^cert' /etc/pip.conf >"$pip_conf.cert" 2>/dev/null || true
{ echo '[global]'; cat "$pip_conf.cert"; } >"$pip_conf"
systemd-nspawn --quiet --register=no --keep-unit --directory="$ROOT" \
    --resolv-conf=bind-host --bind-ro=/etc/ssl/certs --bind-ro="$wheels:/mnt" \
    --setenv=PIP_CONFIG_FILE=/mnt/pip.conf --setenv=PIP_ROOT_USER_ACTION=ignore \
    --setenv=PIP_DISABLE_PIP_VERSION_CHECK=1 \
    sh -ec '
        test -x /opt/pgconflict/bin/pip || python3 -m venv /opt/pgconflict
        /opt/pgconflict/bin/pip install --quiet --upgrade /mnt/*.whl
        /opt/pgconflict/bin/pip install --quiet --force-reinstall --no-deps /mnt/*.whl
        ln -sf /opt/pgconflict/bin/pgconflict /usr/local/bin/pgconflict'

PGCONFLICT_SYSTEMD_ROOT=$ROOT "$PYTHON" -m pytest -p no:randomly tests/systemd "$@"
