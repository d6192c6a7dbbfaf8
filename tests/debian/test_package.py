"""The Debian package in a Debian of its own: installed, upgraded, removed, purged.

Only with PGCONFLICT_DEBIAN_ROOT, which tests/debian/run.sh sets. The tests are one
story: each goes on where the one before it ended.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from pathlib import Path

import pytest

from pgconflict import __version__
from pgconflict.cli.parser import COMMANDS
from tests.contracts.tree import ROOT as TREE

ROOT = Path(os.environ.get("PGCONFLICT_DEBIAN_ROOT", ""))
PACKAGED = ROOT / "usr/lib/pgconflict/pgconflict"
PACKAGE = Path(os.environ.get("PGCONFLICT_DEBIAN_PACKAGE", ""))

pytestmark = pytest.mark.skipif(
    "PGCONFLICT_DEBIAN_ROOT" not in os.environ, reason="tests/debian/run.sh runs this"
)

CONFIGURATION = """\
conflict_log:
  dsn: "host=127.0.0.1 port=1 dbname=pgconflict"
nodes:
  - name: a
    dsn: "host=127.0.0.1 port=1 dbname=app"
"""
# What dpkg and the C library write beside the packages' files.
_NOT_FILES = re.compile(
    r"/(var/(lib/dpkg|log|cache|lib/apt)|proc|sys|dev|run|tmp)(/|$)"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|/etc/\.pwd\.lock$"
)


def inside(*words: str, user: str = "root", code: int = 0) -> str:
    """Run a program in the Debian; return what it printed."""
    done = subprocess.run(
        ["chroot", f"--userspec={user}", str(ROOT), *words],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == code, (words, done.stdout, done.stderr)
    return done.stdout + done.stderr


def install(package: Path, *options: str) -> str:
    """As docs/service.md does it; dpkg answers its question on configuration files."""
    copy = ROOT / "tmp" / "pgconflict.deb"
    copy.write_bytes(package.read_bytes())
    said = [f"--option=Dpkg::Options::={one}" for one in options]
    # What it recommends would come from a mirror.
    said += ["--yes", "--no-install-recommends"]
    return inside("apt", "install", *said, "./tmp/pgconflict.deb")


def there() -> list[str]:
    return [name for name, _ in COMMANDS if (PACKAGED / f"cli/{name}.py").exists()]


def state() -> dict[str, str]:
    """Every path and, of accounts, the text."""
    found = {}
    for folder, folders, names in os.walk(ROOT):
        for name in [*folders, *names]:
            path = Path(folder, name)
            place = "/" + str(path.relative_to(ROOT))
            if not _NOT_FILES.search(place):
                found[place] = path.read_text() if place == "/etc/passwd" else ""
    return found


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return state()


def test_installs_without_anything_else(before: dict[str, str]) -> None:
    assert "/usr/bin/pgconflict" not in before

    said = install(PACKAGE)

    assert "pgconflict.example.yml" in said
    assert inside("dpkg", "--verify", "pgconflict") == ""
    assert inside("dpkg", "--audit") == ""


def test_the_program_runs_for_anybody() -> None:
    assert inside("pgconflict", "--version", user="nobody").strip() == (
        f"pgconflict {__version__}"
    )
    for command in there():
        assert command in inside("pgconflict", command, "--help", user="nobody")
    assert "create schema" in inside("pgconflict", "init", "--print-sql").lower()
    assert inside("pgconflict", "init", "--example", "unit").startswith("# pgconflict")


def test_the_account_owns_nothing_and_cannot_log_in() -> None:
    entry = inside("getent", "passwd", "pgconflict").strip().split(":")
    folder = (ROOT / "etc" / "pgconflict").stat()

    assert entry[5:] == ["/nonexistent", "/usr/sbin/nologin"]
    assert (folder.st_uid, folder.st_gid) == (0, int(entry[3]))
    assert folder.st_mode & 0o777 == 0o750


def test_reads_etc_as_the_account() -> None:
    """The drivers are there: the server that can't be reached is asked for."""
    inside("pgconflict", "check", user="pgconflict:pgconflict", code=78)
    (ROOT / "etc/pgconflict/pgconflict.yml").write_text(CONFIGURATION)

    said = inside("pgconflict", "check", user="pgconflict:pgconflict", code=69)

    assert "127.0.0.1" in said


def test_scans_a_log() -> None:
    log = TREE / "tests" / "corpus" / "18" / "main" / "A" / "json.log.gz"
    (ROOT / "tmp" / "server.json").write_bytes(gzip.decompress(log.read_bytes()))

    said = inside("pgconflict", "scan", "tmp/server.json", user="nobody")

    assert "insert_exists" in said


def test_the_unit_is_one() -> None:
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            f"--root={ROOT}",
            "/lib/systemd/system/pgconflict.service",
        ],
        capture_output=True,
        check=False,
        text=True,
    )

    # Without systemd in it this Debian has no targets; all else would be ours.
    said = [line for line in done.stderr.splitlines() if "not found" not in line]
    assert [line for line in said if "pgconflict" in line] == []


def test_what_people_read_is_there() -> None:
    for place in (
        "usr/share/bash-completion/completions/pgconflict",
        "usr/share/zsh/vendor-completions/_pgconflict",
        "usr/share/fish/vendor_completions.d/pgconflict.fish",
        "usr/share/man/man1/pgconflict.1.gz",
        "usr/share/man/man1/pgconflict-check.1.gz",
        "usr/share/doc/pgconflict/README.md",
        "usr/share/doc/pgconflict/copyright",
        "usr/share/doc/pgconflict/examples/prometheus-rules.yml",
        "usr/share/doc/pgconflict/examples/pgconflict.json",
        "etc/pgconflict/pgconflict.example.yml",
    ):
        assert (ROOT / place).stat().st_size > 0


def test_every_alert_has_its_runbook() -> None:
    rules = (
        ROOT / "usr/share/doc/pgconflict/examples/prometheus-rules.yml"
    ).read_text()
    named = re.findall(r"runbook_url: file:///(\S+)", rules)

    assert named
    assert [place for place in named if not (ROOT / place).is_file()] == []


def test_an_upgrade_keeps_what_the_administrator_wrote(tmp_path: Path) -> None:
    ours = ROOT / "etc/pgconflict/pgconflict.example.yml"
    ours.write_text(ours.read_text() + "# seen by me\n")

    install(newer(tmp_path), "--force-confdef", "--force-confold")

    version = inside("dpkg-query", "--show", "--showformat=${Version}", "pgconflict")
    assert version == f"{__version__}-2"
    assert ours.read_text().endswith("# seen by me\n")
    assert (ROOT / "etc/pgconflict/pgconflict.yml").read_text() == CONFIGURATION
    inside("pgconflict", "check", user="pgconflict:pgconflict", code=69)


def newer(folder: Path) -> Path:
    """Make the next version, whose example differs."""
    tree, package = folder / "tree", folder / "newer.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", PACKAGE, tree], check=True)
    control = tree / "DEBIAN" / "control"
    text = re.sub(
        r"(?m)^Version: .*$", f"Version: {__version__}-2", control.read_text()
    )
    control.write_text(text)
    example = tree / "etc/pgconflict/pgconflict.example.yml"
    example.write_text("# another\n" + example.read_text())
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, package],
        check=True,
        capture_output=True,
    )
    return package


def test_a_removal_keeps_the_configuration() -> None:
    inside("dpkg", "--remove", "pgconflict")

    assert not (ROOT / "usr/bin/pgconflict").exists()
    assert not (ROOT / "usr/lib/pgconflict").exists()
    assert (ROOT / "etc/pgconflict/pgconflict.yml").read_text() == CONFIGURATION


def test_a_purge_leaves_nothing(before: dict[str, str]) -> None:
    inside("dpkg", "--purge", "pgconflict")

    after = state()
    assert set(after) - set(before) == set()
    assert set(before) - set(after) == set()
    assert after["/etc/passwd"] == before["/etc/passwd"]
