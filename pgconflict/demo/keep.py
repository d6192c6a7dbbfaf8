"""What a demonstration leaves running, written down so that it can be stopped.

The note is there from the start: after a `kill -9` of the demonstration it still
says what to remove.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.demo.process import alive, started_at
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NOTE: Final = "demo.json"
_PATIENCE_S: Final = 10


class Process(msgspec.Struct, frozen=True):
    """A process that the demonstration started."""

    pid: int
    started_at: int
    """Ticks since boot; another process of this id started at another tick."""
    signal: str
    """What ends it."""


class Note(msgspec.Struct, frozen=True):
    """Processes in the order in which they end, and folders to be removed."""

    processes: list[Process]
    directories: list[str]


def note(
    directory: Path, processes: Iterable[tuple[int, str]], directories: Iterable[Path]
) -> None:
    """Write down the processes (with what ends each) and the folders."""
    running = [
        Process(pid, ticks, name)
        for pid, name in processes
        if (ticks := started_at(pid)) is not None
    ]
    text = msgspec.json.encode(Note(running, [str(each) for each in directories]))
    (directory / NOTE).write_bytes(text)


def stop(directory: Path) -> None:
    """End what runs below `directory` and remove every file of it.

    Raises:
        UsageError: It is no folder of a demonstration of this user.
    """
    left = _read(directory)
    for process in left.processes:
        _end(process)
    for folder in (*left.directories, str(directory)):
        shutil.rmtree(folder, ignore_errors=True)


def _read(directory: Path) -> Note:
    path = directory / NOTE
    try:
        # What it says is believed: so it must be ours.
        if path.lstat().st_uid != os.geteuid():
            raise UsageError(f"{path} belongs to another user")
        return msgspec.json.decode(path.read_bytes(), type=Note)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(
            f"{directory} is not the folder of a demonstration: {error}",
            hint="`pgconflict demo --keep` prints the line that stops it",
        ) from error


def _end(process: Process) -> None:
    for number in (signal.Signals[process.signal], signal.SIGKILL):
        deadline = time.monotonic() + _PATIENCE_S
        if started_at(process.pid) != process.started_at:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        while alive(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
