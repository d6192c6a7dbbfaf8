"""One PostgreSQL server of our own: a data directory and the process that serves it.

`pgconflict demo` starts its nodes with it; tests and benchmarks start theirs.
Standard library only, and no client program of PostgreSQL: `initdb` and `postgres`
are all that some packages of PostgreSQL hold.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Literal, Self

from pgconflict.demo.account import Account, programs_for, server_account
from pgconflict.demo.errors import ClusterError
from pgconflict.demo.process import (
    alive,
    children,
    environment,
    free_port,
    socket_directory,
    watcher,
)
from pgconflict.demo.programs import bin_dir_of_wheel, major_of, version_of
from pgconflict.demo.settings import conf_value, defaults_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pgconflict.demo.settings import Settings

__all__ = [
    "Cluster",
    "ClusterError",
    "bin_dir_of_wheel",
    "free_port",
    "major_of",
    "version_of",
]

StopMode = Literal["smart", "fast", "immediate"]

_STOP_SIGNALS: Mapping[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


class Cluster:
    """A PostgreSQL server that is ours to start, break and throw away.

    Everything it writes is in `parent/name` and in a short-named folder for its
    socket.  As root the server runs as another account (PostgreSQL refuses root):
    `postgres` where it exists, else `nobody`; then `parent` must be a folder that
    this account can reach.  Local connections are trusted without a password.

    The server ends with this process, however this process ends; `destroy` also
    removes the files.  Used as a context manager it starts and destroys.

    Args:
        bin_dir: Folder with `initdb` and `postgres`.
        parent: Existing folder for the server's files.
        name: Folder inside `parent`; also the server's `cluster_name`.
        port: TCP port on 127.0.0.1; a free one if left out.
        settings: Server settings, over those of `pgconflict.demo.settings`.

    Raises:
        ClusterError: `bin_dir` holds no PostgreSQL that the account can run.
    """

    def __init__(
        self,
        bin_dir: Path,
        parent: Path,
        *,
        name: str = "node",
        port: int | None = None,
        settings: Settings | None = None,
    ) -> None:
        try:
            self.account: Account | None = server_account()
            self.bin_dir = programs_for(bin_dir.absolute(), self.account)
        except (LookupError, OSError) as error:
            raise ClusterError(str(error)) from error
        self.major = major_of(self.bin_dir)
        self.name = name
        self.port = port or free_port()
        self.directory = parent.absolute() / name
        self.data_directory = self.directory / "data"
        self.start_log = self.directory / "start.log"
        self.socket_directory = socket_directory(self.account)
        self.settings = defaults_of(self.major) | {
            "port": self.port,
            "unix_socket_directories": str(self.socket_directory),
            "cluster_name": name,
        }
        self.settings |= settings or {}
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.running else "down"
        return f"<Cluster {self.name}: PostgreSQL {self.major}, {self.port}, {state}>"

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None before the first start."""
        return self._server.pid if self._server else None

    @property
    def running(self) -> bool:
        """Whether the postmaster is alive."""
        return self._server is not None and self._server.poll() is None

    @property
    def log_directory(self) -> Path:
        """Where the server's logging collector writes."""
        return self.data_directory / str(self.settings["log_directory"])

    def dsn(
        self, dbname: str = "postgres", user: str = "postgres", **more: str | int
    ) -> str:
        """Return a libpq connection string over TCP; `more` are libpq keywords."""
        keywords: dict[str, str | int] = {
            "host": "127.0.0.1",
            "port": self.port,
            "dbname": dbname,
            "user": user,
        }
        keywords |= more
        return " ".join(f"{key}={_quoted(value)}" for key, value in keywords.items())

    def initdb(self) -> None:
        """Create the data directory (UTF8, locale C, superuser `postgres`).

        Raises:
            ClusterError: `initdb` failed, or the directory exists already.
        """
        if self.data_directory.exists():
            raise ClusterError(f"{self.data_directory} exists already")
        self.directory.mkdir(mode=0o755, exist_ok=True)
        if self.account is not None:
            os.chown(self.directory, self.account.uid, self.account.gid)
        command = [
            str(self.bin_dir / "initdb"),
            f"--pgdata={self.data_directory}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            # The only locale that every build of PostgreSQL finds everywhere.
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd="/",
            env=environment(),
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )
        if done.returncode != 0:
            raise ClusterError(
                f"initdb of server {self.name} failed: {done.stdout.strip()}",
                hint=_parents_hint(self.directory, self.account),
            )
        self.append_conf(self.settings)

    def append_conf(self, settings: Settings) -> None:
        """Add settings at the end of postgresql.conf, where they win.

        They count from the next `reload` or `restart`, as the setting demands.
        """
        self.settings |= settings
        lines = [f"{key} = {conf_value(value)}\n" for key, value in settings.items()]
        with (self.data_directory / "postgresql.conf").open("a") as conf:
            conf.writelines(lines)

    def start(self, *, timeout: float = 60) -> None:
        """Start the server, after `initdb` if it has no data directory yet.

        Returns when it accepts connections.

        Args:
            timeout: Seconds until the start counts as failed.

        Raises:
            ClusterError: The server is running, ended while starting, or was not
                ready in time; the message holds what it said.
        """
        if self.running:
            raise ClusterError(f"server {self.name} is running already")
        if not self.data_directory.exists():
            self.initdb()
        with self.start_log.open("wb") as output:
            self._server = subprocess.Popen(
                [str(self.bin_dir / "postgres"), "-D", str(self.data_directory)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment(),
                # A Ctrl-C in the terminal is for us; we stop the server then.
                start_new_session=True,
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
        self._watcher = watcher(self._server.pid)
        deadline = time.monotonic() + timeout
        while not self._accepts():
            if self._server.poll() is not None:
                self._forget()
                raise ClusterError(f"server {self.name} ended at start: {self._said()}")
            if time.monotonic() > deadline:
                self.stop("immediate")
                raise ClusterError(
                    f"server {self.name} was not ready in {timeout:g} s: {self._said()}"
                )
            time.sleep(0.02)

    def stop(self, mode: StopMode = "fast", *, timeout: float = 60) -> None:
        """Stop the server and wait for its end; nothing happens if it is down.

        Args:
            mode: As of `pg_ctl stop`: `smart`, `fast`, or `immediate` (a crash
                as far as the data is concerned).
            timeout: Seconds until it is stopped by force.

        Raises:
            ClusterError: It had to be stopped by force.
        """
        server = self._server
        if server is None or server.poll() is not None:
            self._forget()
            return
        server.send_signal(_STOP_SIGNALS[mode])
        try:
            server.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ClusterError(
                f"server {self.name} did not stop ({mode}) in {timeout:g} s: killed"
            ) from None
        self._forget()

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start; the port and the data stay."""
        self.stop(mode)
        self.start()

    def kill(self, *, timeout: float = 10) -> None:
        """Kill the postmaster (SIGKILL), as the kernel does when memory is short.

        Its children end by themselves when they see it; what is left after
        `timeout` seconds is killed too.  A start while one of them lives would
        fail for the shared memory it holds.
        """
        server = self._server
        if server is None or server.poll() is not None:
            self._forget()
            return
        left = children(server.pid)
        server.kill()
        server.wait()
        deadline = time.monotonic() + timeout
        while left := [child for child in left if alive(child)]:
            if time.monotonic() > deadline:
                for child in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
            time.sleep(0.02)
        self._forget()

    def reload(self) -> None:
        """Make the server read its configuration files again; it does so soon."""
        if self._server is None or not self.running:
            raise ClusterError(f"server {self.name} is down: nothing to reload")
        self._server.send_signal(signal.SIGHUP)

    def detach(self) -> None:
        """Let the server outlive this process; who stops it then removes its files."""
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    def destroy(self) -> None:
        """Stop the server at once and remove every file of it."""
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
            shutil.rmtree(self.socket_directory, ignore_errors=True)

    def _accepts(self) -> bool:
        # The eighth line of postmaster.pid is the server's word on its state; it is
        # what pg_ctl waits for. A left-over file names another process.
        try:
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        status_line = 7
        return (
            len(lines) > status_line
            and lines[0].strip() == str(self.pid)
            and lines[status_line].strip() == "ready"
        )

    def _forget(self) -> None:
        if self._server is not None:
            self._server.poll()
        self.detach()

    def _said(self) -> str:
        """Return the last lines of what the server wrote anywhere."""
        files = [self.start_log]
        with contextlib.suppress(OSError):
            files += self.log_directory.iterdir()
        return "\n".join(
            line
            for file in files
            for line in file.read_text(errors="replace").splitlines()[-5:]
        )


def _quoted(value: str | int) -> str:
    text = str(value)
    if re.fullmatch(r"[\w./:-]+", text, re.ASCII):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _parents_hint(directory: Path, account: Account | None) -> str | None:
    if account is None:
        return None
    return (
        f"the server runs as {account.name}, which must be able to reach"
        f" {directory.parent}"
    )
