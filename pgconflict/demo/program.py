"""pgconflict itself as a process: the daemon, and commands as a user gives them."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pgconflict.demo.errors import DemoError
from pgconflict.demo.process import watcher

if TYPE_CHECKING:
    from pgconflict.demo.signals import Signals

_COMMAND_TIMEOUT_S: Final = 60
_PACKAGE_PARENT: Final = Path(__file__).parents[2]


def spoken(*, anywhere: bool) -> str:
    """Return the program as the user called it, or so that it works `anywhere`."""
    called = Path(sys.argv[0])
    if called.name != "pgconflict":
        return f"{shlex.quote(sys.executable)} -m pgconflict"
    found = shutil.which("pgconflict")
    if found is not None and called.exists() and Path(found).samefile(called):
        return "pgconflict"
    return shlex.quote(str(called.absolute() if anywhere else called))


class Program:
    """The pgconflict of this process with one configuration file."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def call(self, *words: str) -> str:
        """Run one command to its end; what it printed.

        Raises:
            DemoError: It failed; the message holds what it said.
        """
        try:
            done = subprocess.run(
                self._line(*words),
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=_COMMAND_TIMEOUT_S,
                env=_environment(),
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(
                f"pgconflict {' '.join(words)}: not done in {error.timeout:g} s"
            ) from error
        if done.returncode != 0:
            raise DemoError(
                f"pgconflict {' '.join(words)} failed: {done.stderr.strip()}"
            )
        return done.stdout

    def start(self, *words: str, output: Path) -> subprocess.Popen[bytes]:
        """Start a command that goes on; it writes to the file `output`."""
        with output.open("wb") as file:
            return subprocess.Popen(
                self._line(*words),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=_environment(),
                # A Ctrl-C in the terminal is for us; we end it then.
                start_new_session=True,
            )

    def _line(self, *words: str) -> list[str]:
        before = [sys.executable, "-m", "pgconflict", "--config", str(self.config)]
        return [*before, *words]


class Daemon:
    """`pgconflict run`, as systemd would start it.

    It ends with this process, however this process ends, until `detach`.
    """

    def __init__(self, program: Program, *, listen: str, output: Path) -> None:
        self.address = f"http://{listen}"
        self._output = output
        self._process = program.start("run", output=output)
        self._watcher = watcher(self._process.pid, "TERM")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until_ready(self, signals: Signals) -> None:
        """Return when it reads every node.

        Raises:
            DemoError: It ended, or was not ready in time; holds its last words.
        """
        try:
            signals.wait_for(self._ready, "the daemon is ready")
        except DemoError as error:
            raise DemoError(f"{error}; it said: {self._said()}") from error

    def metrics(self) -> str:
        """Return what /metrics says at this moment.

        Raises:
            DemoError: It does not answer.
        """
        try:
            return self._get("/metrics")
        except OSError as error:
            raise DemoError(
                f"the daemon does not answer: {error}; it said: {self._said()}"
            ) from error

    def detach(self) -> None:
        """Let it outlive this process."""
        self._watcher.kill()
        self._watcher.communicate()

    def stop(self) -> None:
        """End it and wait for its end."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.detach()

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise DemoError(f"the daemon ended with {self._process.returncode}")
        with contextlib.suppress(OSError):
            self._get("/readyz")
            return True
        return False

    def _get(self, path: str) -> str:
        # A proxy of the environment has no business between us and the daemon.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.address + path, timeout=5) as answer:
            text: bytes = answer.read()
        return text.decode()

    def _said(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self._output.read_text(errors="replace").splitlines()[-8:])
        return ""


def _environment() -> dict[str, str]:
    """Return our environment, and in it the package that this process runs."""
    path = os.environ.get("PYTHONPATH")
    own = str(_PACKAGE_PARENT)
    return os.environ | {"PYTHONPATH": f"{own}:{path}" if path else own}
