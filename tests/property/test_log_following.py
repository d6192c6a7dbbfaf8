"""A log that servers and people treat badly, against a list of what was written."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pgconflict.server.local_log import LocalLog
from pgconflict.server.log_follower import Bytes, LogFollower, _Reading
from pgconflict.server.log_search import FilePosition, digest

LOST_TOO_MUCH = "lines are missing that nobody destroyed"


class AttentiveLog(LocalLog):
    """A directory that is listed at every look: rules decide when one looks."""

    @property
    def listing_due(self) -> bool:
        return True


@dataclass
class ServerFile:
    """A file the server made, and the whole lines that are in it now."""

    path: Path
    descriptor: int
    lines: list[int] = field(default_factory=list)
    half: bytes = b""
    gone: bool = False
    reused: bool = False

    @property
    def identity(self) -> tuple[int, int]:
        status = os.fstat(self.descriptor)
        return (status.st_dev, status.st_ino)

    def content(self, length: int) -> bytes:
        return os.pread(self.descriptor, length, 0)


class Reader:
    """What the daemon does: takes whole lines, stores the position with them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seen: list[int] = []
        self.stored: FilePosition | None = None
        self.stored_time = 0
        self.gaps = 0
        self.follower: LogFollower | None = None

    async def start(self) -> None:
        place = AttentiveLog(str(self.directory), poll_s=1)
        self.follower = LogFollower(place, lambda name: name.endswith(".log"))
        self.held = b""
        self.consumed = 0
        if self.stored is None:
            await self.follower.start_after(0)
        elif not await self.follower.start_at(self.stored, self.stored_time):
            self.gaps += 1
            await self.follower.start_after(self.stored_time)

    def stop(self) -> None:
        if self.follower is not None:
            self.follower.close()
            self.follower.place.close()
            self.follower = None

    async def read(self, steps: int) -> None:
        if self.follower is None:
            await self.start()
        assert self.follower is not None
        for _ in range(steps):
            event = await self.follower.next(self.follower.begin + self.consumed)
            if isinstance(event, Bytes):
                whole, newline, self.held = (self.held + event.data).rpartition(b"\n")
                self.seen += [int(line.split()[0]) for line in whole.splitlines()]
                self.consumed += len(whole + newline)
            elif event is not None:
                self.held, self.consumed = b"", 0
            self.gaps += self.follower.gaps.total()
            self.follower.gaps.clear()
            stored = self.follower.position(self.follower.begin + self.consumed)
            if stored is not None:
                self.stored = stored
                self.stored_time = self.follower.done_before
            if event is None:
                return

    def holds(self, file: ServerFile) -> bool:
        """Whether it has this very file open."""
        reading = self.reading
        return reading is not None and reading.log.identity == file.identity

    @property
    def reading(self) -> _Reading | None:
        return None if self.follower is None else self.follower._reading

    def can_reach(self, file: ServerFile) -> bool:
        """Whether a reader that starts now would find it, or this one has it."""
        if self.holds(file):
            return True
        if file.gone:
            return False
        if file.path.suffix == ".log":
            return True
        known = self.stored
        if known is None or known.signature_length == 0:
            return False
        return digest(file.content(known.signature_length)) == known.signature

    def would_notice(self, file: ServerFile) -> bool:
        """Whether it has seen that this file holds something to read."""
        if self.follower is None:
            return False
        if self.holds(file):
            return self.knows(file)
        listed = self.follower._listing._unread.get(file.identity)
        return listed is not None and listed.size > 0

    def knows(self, file: ServerFile) -> bool:
        """Whether it could tell a copy of this file from others."""
        if self.reading is None or not self.holds(file):
            return False
        head = self.reading.head
        return bool(head) and file.content(len(head)) == head


class LogFollowing(RuleBasedStateMachine):
    """Everything written is seen once, or its destroyer was counted."""

    old = Bundle("old")

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp(prefix="pgconflict-following-"))
        self.reader = Reader(self.directory)
        self.number = 0
        self.names = 0
        self.clock = 1_000_000_000_000_000_000
        self.written: list[int] = []
        self.destroyed: set[int] = set()
        self.noticeable: set[int] = set()
        self.again: set[int] = (
            set()
        )  # in files used again: may be read twice after a restart
        self.files: list[ServerFile] = []
        self.current = self._open_new()

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self.finish_half()
            self.loop.run_until_complete(self.reader.read(10_000))
            self.check(complete=True)
        finally:
            self.reader.stop()
            for file in self.files:
                os.close(file.descriptor)
            shutil.rmtree(self.directory)
            self.loop.close()

    def _open_new(self) -> ServerFile:
        self.names += 1
        path = self.directory / f"{self.names:04d}.log"
        return self._opened(path, os.O_CREAT)

    def _opened(self, path: Path, flag: int) -> ServerFile:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | flag, 0o600)
        file = ServerFile(path, descriptor)
        self.files.append(file)
        self._touch(file)
        return file

    def _touch(self, file: ServerFile) -> None:
        self.clock += 1_000_000
        os.utime(file.descriptor, ns=(self.clock, self.clock))

    def _write(self, data: bytes) -> None:
        os.write(self.current.descriptor, data)
        self._touch(self.current)

    @rule(count=st.integers(1, 5), width=st.sampled_from([0, 10, 700, 3000]))
    def write(self, count: int, width: int) -> None:
        self.finish_half()
        for _ in range(count):
            self.number += 1
            self._write(b"%d %s\n" % (self.number, b"x" * width))
            self._wrote(self.number)

    def _wrote(self, number: int) -> None:
        self.written.append(number)
        self.current.lines.append(number)
        if self.current.reused:
            self.again.add(number)
        if not self.reader.can_reach(self.current):
            self.destroyed.add(number)

    @precondition(lambda self: not self.current.half)
    @rule()
    def half_write(self) -> None:
        self.number += 1
        self.current.half = b"%d tail\n" % self.number
        self._write(self.current.half[:3])

    def finish_half(self) -> None:
        if self.current.half:
            self._write(self.current.half[3:])
            self._wrote(int(self.current.half.split()[0]))
            self.current.half = b""

    @rule(target=old)
    def rotate(self) -> ServerFile:
        self.finish_half()
        left = self.current
        self.current = self._open_new()
        return left

    @precondition(lambda self: len(self.files) > 1)
    @rule(data=st.data(), how=st.sampled_from(["cut", "append"]))
    def rotate_to_a_used_name(self, data: st.DataObject, how: str) -> None:
        others = [f for f in self.files if f is not self.current and not f.gone]
        if not others:
            return
        self.finish_half()
        file = data.draw(st.sampled_from(others))
        if how == "cut":
            self._destroy(file)
            os.truncate(file.path, 0)
            file.lines = []
        else:
            file.reused = True
            self.again |= set(file.lines)
        self.current = file
        self._touch(file)

    @rule()
    def truncate(self) -> None:
        self.finish_half()
        self._destroy(self.current)
        os.ftruncate(self.current.descriptor, 0)
        self.current.lines = []
        self._touch(self.current)

    @precondition(lambda self: not self.current.gone)
    @rule()
    def copy_and_truncate(self) -> None:
        """As logrotate does; nothing is lost while the copy is there."""
        self.finish_half()
        self.names += 1
        copy = self.current.path.with_name(f"{self.names:04d}.log.1")
        shutil.copy2(self.current.path, copy)
        if not self.reader.knows(self.current):
            self._destroy(self.current)
        os.truncate(self.current.path, 0)
        self.current.lines = []
        self._touch(self.current)

    @rule(file=old)
    def delete(self, file: ServerFile) -> None:
        self._delete(file)

    @rule()
    def delete_current(self) -> None:
        self.finish_half()
        self._delete(self.current)

    def _delete(self, file: ServerFile) -> None:
        if file.gone:
            return
        file.gone = True
        file.path.unlink()
        if not self.reader.holds(file):
            self._destroy(file)

    @rule()
    def rename_current(self) -> None:
        """As logrotate does: the server writes on under the new name."""
        if self.current.gone or not self.reader.holds(self.current):
            return
        path = self.current.path.with_suffix(f".log.{self.number}")
        self.current.path.rename(path)
        self.current.path = path

    def _destroy(self, file: ServerFile) -> None:
        unread = set(file.lines) - set(self.reader.seen)
        self.destroyed |= unread
        # A file that is cut and grows before it is looked at betrays nothing.
        if self.reader.holds(file) or file.gone:
            self._notice(file, unread)

    def _notice(self, file: ServerFile, unread: set[int]) -> None:
        if self.reader.would_notice(file):
            self.noticeable |= unread

    @rule(steps=st.integers(1, 12))
    def read(self, steps: int) -> None:
        self.loop.run_until_complete(self.reader.read(steps))

    @rule()
    def restart(self) -> None:
        reading = [file for file in self.files if self.reader.holds(file)]
        self.reader.stop()
        for file in reading:
            if not self.reader.can_reach(file):
                self._destroy(file)
        # What it had listed and not yet missed, nobody remembers.
        self.noticeable.clear()
        self.loop.run_until_complete(self.reader.start())

    @invariant()
    def nothing_false(self) -> None:
        if hasattr(self, "reader"):
            self.check(complete=False)

    def check(self, *, complete: bool) -> None:
        seen = self.reader.seen
        twice = {n for n in seen if seen.count(n) > 1}
        assert twice <= self.again, f"read twice: {sorted(twice - self.again)}"
        assert set(seen) <= set(self.written)
        if complete:
            missing = set(self.written) - set(seen)
            assert missing <= self.destroyed, (
                f"{LOST_TOO_MUCH}: {sorted(missing - self.destroyed)}"
            )
            assert self.reader.gaps or not missing & self.noticeable, (
                f"nothing was counted: {sorted(missing)}"
            )


TestLogFollowing = LogFollowing.TestCase
TestLogFollowing.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
