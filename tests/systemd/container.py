"""A booted Debian of which this machine's root can ask systemd."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT = Path(__file__).parents[2] / "systemd" / "pgconflict.service"
NAME = "pgconflict.service"


class Container:
    """Boots `root`; what it writes is in memory, and gone at the end.

    It has this machine's network: servers on 127.0.0.1 are there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [
                "systemd-nspawn",
                "--quiet",
                "--register=no",
                "--keep-unit",
                "--volatile=overlay",
                f"--directory={self._root}",
                "--boot",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_until(self._find_leader, "the container has a first process")
        wait_until(
            lambda: (
                self.run("systemctl", "is-system-running", check=False).strip()
                in {"running", "degraded"}
            ),
            "systemd has booted",
            timeout=60,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, *words: str, check: bool = True, stdin: str = "") -> str:
        """Run a program inside, as root; return what it printed."""
        done = subprocess.run(
            ["nsenter", f"--target={self._leader}", "--all", "--", *words],
            input=stdin,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
            env={"PATH": "/usr/local/bin:/usr/bin:/usr/sbin", "LC_ALL": "C"},
        )
        if check:
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        self.run("mkdir", "-p", str(Path(path).parent))
        self.run("tee", path, stdin=text)
        self.run("chmod", mode, path)

    def show(self, *properties: str) -> Mapping[str, str]:
        """Return properties of the service."""
        text = self.run("systemctl", "show", NAME, f"--property={','.join(properties)}")
        return dict(line.partition("=")[::2] for line in text.splitlines())

    def value(self, name: str) -> str:
        return self.show(name)[name]

    def journal(self) -> str:
        """Return everything the service said."""
        return self.run("journalctl", "--unit", NAME, "--output=cat", "--no-pager")

    def wait_said(self, text: str) -> None:
        wait_until(lambda: text in self.journal(), f"it says {text!r}")

    def _booted(self) -> bool:
        state = self.run("systemctl", "is-system-running", check=False).strip()
        return state in {"running", "degraded"}

    def _find_leader(self) -> bool:
        """Find systemd among the children; others come before it, for a moment."""
        assert self._process is not None
        assert self._process.poll() is None, "systemd-nspawn ended"
        pid = self._process.pid
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    self._leader = int(child)
        return bool(self._leader)
