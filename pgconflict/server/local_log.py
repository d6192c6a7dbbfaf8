"""The log directory on this host: read through open files, woken by inotify.

inotify says that something was written within a millisecond, but each wake costs a
system call for every line on a busy log (measured: 58 ms of CPU a second). So after
a wake nobody looks for a while, the longer the busier the log is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asyncinotify import Inotify, Mask, Watch

from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError
from pgconflict.server.log_place import LogFile, Piece

if TYPE_CHECKING:
    from pgconflict.server.log_place import OpenLog

SHORTEST_HOLD_OFF_S: Final = 0.002
LONGEST_HOLD_OFF_S: Final = 0.05
"""Between two wakes; at the longest a line waits so long on a busy log."""

STAT_S: Final = 1.0
"""Without a wake: on network file systems inotify sees only what this host writes."""

LIST_S: Final = 5.0
"""Between two listings when nothing tells of a new file."""

_WRITTEN: Final = Mask.MODIFY | Mask.CLOSE_WRITE
_NAMED: Final = Mask.CREATE | Mask.MOVED_TO | Mask.DELETE | Mask.MOVED_FROM

_READABLE_HINT: Final = (
    "let the daemon's account read the log files (log_file_mode = 0640 and its group"
    " on the directories above), or use server_log.read: sql"
)


class LocalFile:
    """An open log file: it can be read to its end though its name is gone."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._fd)
        self.identity = (status.st_dev, status.st_ino)

    async def read(self, offset: int, length: int, head_length: int) -> Piece | None:
        """Return what is there now; never None, as the file is held open."""
        # Not in a thread: what a server has just written is in memory.
        data = os.pread(self._fd, length, offset) if length else b""
        head = os.pread(self._fd, head_length, 0) if head_length else b""
        return Piece(data, head, os.fstat(self._fd).st_size)

    def close(self) -> None:
        """Close the file; the last one to do so lets a deleted file go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class LocalLog:
    """A log directory of this host.

    Args:
        directory: Absolute path.
        poll_s: Seconds between two looks where inotify does not work.
    """

    def __init__(self, directory: str, *, poll_s: float) -> None:
        self.directory = directory
        self._path = Path(directory)
        self._poll_s = poll_s
        self._listed_at = float("-inf")
        self._names_changed = True
        self._hold_off_s = 0.0
        self._woken_at = float("-inf")
        self._file_watch: Watch | None = None
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify()
            # asyncinotify 4.4.4 takes O_CLOEXEC for its InitFlags.NONBLOCK.
            os.set_blocking(self._inotify.fd, False)
            self._inotify.add_watch(self._path, _NAMED)
        except OSError:
            # Too many watches on this host, or a file system without.
            self._drop_inotify()

    @property
    def listing_due(self) -> bool:
        """Whether files came or went, or nobody has looked for a while."""
        return self._names_changed or time.monotonic() - self._listed_at >= LIST_S

    async def files(self) -> list[LogFile]:
        """Return the files of the directory.

        Raises:
            PrivilegeMissingError: this account may not list it.
            NodeNotReadyError: there is no such directory here.
        """
        # Before the listing: what comes after this is news again.
        self._names_changed = False
        self._listed_at = time.monotonic()
        try:
            with os.scandir(self._path) as entries:
                return [file for entry in entries if (file := _listed(entry))]
        except PermissionError as error:
            raise PrivilegeMissingError(
                f"can't list {self._path}", hint=_READABLE_HINT
            ) from error
        except OSError as error:
            raise NodeNotReadyError(
                f"can't list {self._path}: {error.strerror}",
                hint="server_log.directory names the folder; read: sql needs none",
            ) from error

    async def open(self, name: str) -> LocalFile | None:
        """Open a file; None if it is gone."""
        try:
            return LocalFile(self._path / name)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise PrivilegeMissingError(
                f"can't read {self._path / name}", hint=_READABLE_HINT
            ) from error

    def watch(self, log: OpenLog) -> None:
        """Be woken when this file grows, and no longer by another one."""
        if self._inotify is None or not isinstance(log, LocalFile):
            return
        watch = None
        # It may be deleted by now, or this host may have no more watches to give.
        with contextlib.suppress(OSError):
            watch = self._inotify.add_watch(log.path, _WRITTEN)
        before, self._file_watch = self._file_watch, watch
        if before is not None and before is not watch:
            # A file that is gone took its watch with it.
            with contextlib.suppress(OSError):
                self._inotify.rm_watch(before)

    async def wait(self, seconds: float) -> None:
        """Return when something was written, or after a while."""
        if self._inotify is None:
            await asyncio.sleep(min(seconds, self._poll_s))
            return
        rest = self._woken_at + self._hold_off_s - time.monotonic()
        if rest > 0:
            await asyncio.sleep(rest)
        longest = self._poll_s if self._file_watch is None else STAT_S
        if not self._drain() and not await self._woken(min(seconds, longest)):
            return
        now = time.monotonic()
        busy = now - self._woken_at < LONGEST_HOLD_OFF_S * 1.5
        longer = max(SHORTEST_HOLD_OFF_S, min(self._hold_off_s * 2, LONGEST_HOLD_OFF_S))
        self._hold_off_s = longer if busy else SHORTEST_HOLD_OFF_S
        self._woken_at = now

    def close(self) -> None:
        """Let inotify go."""
        self._drop_inotify()

    async def _woken(self, seconds: float) -> bool:
        """Wait for an event; False if none came in time."""
        assert self._inotify is not None  # noqa: S101 - asked only then
        fd = self._inotify.fd
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        # Only while somebody waits: the loop would spin on what nobody takes.
        loop.add_reader(fd, _resolve, readable)
        timer = loop.call_later(seconds, _resolve, readable)
        try:
            await readable
        finally:
            timer.cancel()
            loop.remove_reader(fd)
        return self._drain()

    def _drain(self) -> bool:
        """Take all events; whether there were any."""
        assert self._inotify is not None  # noqa: S101 - asked only then
        woken = False
        with contextlib.suppress(BlockingIOError):
            while event := self._inotify.sync_get():
                woken = True
                if event.mask != Mask.MODIFY:
                    self._names_changed = True
        return woken

    def _drop_inotify(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _listed(entry: os.DirEntry[str]) -> LogFile | None:
    try:
        if not entry.is_file():
            return None
        status = entry.stat()
    except OSError:
        return None
    return LogFile(
        entry.name, status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino)
    )
