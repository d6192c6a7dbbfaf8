"""The systemd unit: accepted, hardened, and every directive says why it is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path("systemd/pgconflict.service")
EXPOSURE = "20"  # tenths: 2.0
LARGEST_GROUP = 6  # directives that one comment may explain

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here"
)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words],
        capture_output=True,
        check=False,
        text=True,
    )


@needs_systemd
def test_systemd_accepts_the_unit() -> None:
    done = analyze("verify", str(UNIT))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_the_unit_is_hardened() -> None:
    done = analyze(
        "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT)
    )

    assert done.returncode == 0, done.stdout[-500:]


@needs_systemd
def test_a_unit_without_its_hardening_would_be_noticed(tmp_path: Path) -> None:
    kept = [
        line
        for line in UNIT.read_text().splitlines()
        if not re.match("Protect|Private|Restrict|SystemCall|Capab|NoNew", line)
    ]
    (tmp_path / "pgconflict.service").write_text("\n".join(kept) + "\n")

    done = analyze(
        "security",
        "--no-pager",
        "--offline=true",
        f"--threshold={EXPOSURE}",
        str(tmp_path / "pgconflict.service"),
    )

    assert done.returncode != 0


def test_every_directive_has_a_reason() -> None:
    """A comment above it, or above the few lines that it stands among."""
    silent = []
    explains = 0
    for line in UNIT.read_text().partition("\n[Service]\n")[2].splitlines():
        if line == "[Install]":
            break
        if line.startswith("# "):
            explains = LARGEST_GROUP
        elif re.match(r"#?[A-Z]\w+=", line):
            explains -= 1
            if explains < 0:
                silent.append(line)
        else:
            explains = 0

    assert silent == []


def test_it_is_what_the_daemon_speaks() -> None:
    """Notify and watchdog, a user of its own, no state of its own."""
    unit = UNIT.read_text()

    for directive in ("Type=notify", "User=pgconflict", "ProtectSystem=strict"):
        assert f"\n{directive}\n" in unit
    assert re.search(r"\nWatchdogSec=\d+s\n", unit)
    assert "StateDirectory=" not in unit
