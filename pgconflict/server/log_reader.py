"""The log of one node, wherever and in whatever format the server writes it now.

The server writes each entry to every destination at once. One format is read: the
best when reading begins, and as long as the server writes it. A change of settings
takes effect where the old files end, so that nothing falls between. What was written
to both is read again; the conflict log knows its entries again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError
from pgconflict.server.log_follower import Bytes, FileEnded, LogFollower
from pgconflict.server.log_places import former_place, name_of, present_place
from pgconflict.server.log_settings import FileNames, LogSettings

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Hashable

    from pgconflict.config import Node
    from pgconflict.server.log_listing import GapReason
    from pgconflict.server.log_place import LogPlace
    from pgconflict.server.log_search import FilePosition
    from pgconflict.server.session import NodeSession

_SECOND_NS: Final = 10**9

FIRST_READ_S: Final = 7 * 86400
"""A node that was never read is read from the files modified in this time on."""

BETTER_FORMAT_S: Final = 60.0
"""A better format is taken up when the server has written it for so long: every
process takes new settings at a moment of its own, and until then writes the old."""

SETTLE_S: Final = 2.0
"""From the sight of a change to the end of what came before it."""

_OVERLAP_NS: Final = 60 * _SECOND_NS
"""After a change, files modified so long before it are read too: two processes may
have written to the old and the new side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPosition:
    """Where reading goes on after a restart."""

    log_format: str
    place: str
    log_filename: str
    done_before: int
    """Files modified before this time hold nothing unread: nanoseconds since 1970."""
    file: FilePosition


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is read when the present files are at their end."""

    place: LogPlace
    log_format: str
    names: str
    """Whose files: the format's own, or stderr's. Those are the server's last
    resort: there it writes what processes send in a format that it has switched off
    already, or not on yet."""


class LogReader:
    """Bytes of a node's log, in order, until `close`; made by `open`."""

    def __init__(self, node: Node, session: NodeSession, settings: LogSettings) -> None:
        self.settings = settings
        self._node = node
        self._session = session
        self._filenames = {settings.file_name}
        self._languages = settings.languages
        self._places: list[LogPlace] = []
        self._stages: list[_Stage] = []
        self._settled_at = 0.0
        self._better_since: float | None = None
        self._rewound = False
        self._checkpoint: tuple[Hashable, int] = (None, 0)

    @classmethod
    async def open(
        cls,
        node: Node,
        session: NodeSession,
        settings: LogSettings,
        position: ReadPosition | None,
    ) -> LogReader:
        """Start reading at the position, or with what there is.

        Raises:
            NodeNotReadyError: the server writes no log that can be read.
            PrivilegeMissingError: neither this account nor the role may read it.
            NodeUnavailableError: the node could not be asked.
        """
        settings.require_files(node.name)
        reader = cls(node, session, settings)
        place = await present_place(node, session, settings)
        reader._places.append(place)
        if position is None:
            reader._follow(_Stage(place, settings.formats[0], settings.formats[0]))
            since = time.time_ns() - FIRST_READ_S * _SECOND_NS
            await reader._follower.start_after(since)
        else:
            await reader._resume(place, position)
        return reader

    @property
    def log_format(self) -> str:
        """The format of the bytes that come next."""
        return self._stage.log_format

    @property
    def among_others(self) -> bool:
        """Whether the bytes that come next are mostly of another format."""
        return self._stage.names != self._stage.log_format

    @property
    def languages(self) -> frozenset[str] | None:
        """Those that the bytes that come next may be in besides English.

        None means any. A worker that is busy takes a new setting later than others,
        so all that were set lately count.
        """
        return self._languages if self.log_format == "stderr" else frozenset()

    @property
    def gaps(self) -> Counter[GapReason]:
        """Gaps not yet taken account of; whoever does so clears it."""
        return self._follower.gaps

    async def next(self, byte_offset: int) -> Bytes | FileEnded | None:
        """Return what comes next; None when there is nothing new now.

        After FileEnded format and settings may be others.

        Args:
            byte_offset: Up to where the present file was made use of.
        """
        if self._rewound:
            self._rewound = False
            return FileEnded()
        event = await self._follower.next(byte_offset)
        if event is None and self._stages and time.monotonic() >= self._settled_at:
            await self._next_stage()
            return FileEnded()
        return event

    async def wait(self, seconds: float) -> None:
        """Return when something may have been written, at the latest after that."""
        await self._follower.place.wait(seconds)

    @property
    def begin(self) -> int:
        """Where in the present file the bytes since the last FileEnded begin."""
        return self._follower.begin

    def position(self, byte_offset: int) -> ReadPosition | None:
        """Return the position at this offset of the present file, if there is one."""
        file = self._follower.position(byte_offset)
        if file is None:
            return None
        return ReadPosition(
            log_format=self.log_format,
            place=name_of(self._follower.place),
            log_filename=self.settings.file_name,
            # After a restart the format's own files follow at once.
            done_before=self._follower.done_before
            - (_OVERLAP_NS if self.among_others else 0),
            file=file,
        )

    async def unread_bytes(self) -> int:
        """Return how much of the log was not read yet."""
        return await self._follower.unread_bytes()

    async def refresh(self, settings: LogSettings, byte_offset: int) -> None:
        """Take the server's present settings.

        Args:
            settings: Asked for just now.
            byte_offset: Up to where the present file is recorded.

        Raises:
            NodeNotReadyError: the server writes no log any more that can be read.
            PrivilegeMissingError: the log's new place may not be read.
        """
        before, self.settings = self.settings, settings
        settings.require_files(self._node.name)
        if settings.file_name not in self._filenames:
            self._filenames.add(settings.file_name)
            self._follower.belongs = self._names(self._stage.names)
        moved = settings.absolute_directory != before.absolute_directory
        if moved:
            place = await present_place(self._node, self._session, settings)
            self._places.append(place)
            self._plan(place)
        elif settings.formats != before.formats or self._better_since is not None:
            self._plan(self._stages[-1].place if self._stages else self._stage.place)
        self._take_line_settings(before, byte_offset)

    def close(self) -> None:
        """Let files and directories go."""
        self._follower.close()
        for place in self._places:
            place.close()

    def _follow(self, stage: _Stage) -> None:
        self._stage = stage
        self._follower = LogFollower(stage.place, self._names(stage.names))

    async def _resume(self, place: LogPlace, position: ReadPosition) -> None:
        self._filenames.add(position.log_filename)
        stage = _Stage(place, position.log_format, position.log_format)
        self._follow(stage)
        found = await self._follower.start_at(position.file, position.done_before)
        if not found and position.place != name_of(place):
            found = await self._resume_in_former(stage, position)
        if not found:
            written = position.log_format in self.settings.formats
            now = position.log_format if written else self.settings.formats[0]
            self._follow(_Stage(place, now, now))
            self._follower.gaps["vanished"] += 1
            await self._follower.start_after(position.done_before - _OVERLAP_NS)
        if self._stage.place is not place or self.log_format != self._best:
            self._plan(place)

    async def _resume_in_former(self, stage: _Stage, position: ReadPosition) -> bool:
        former = former_place(self._node, self._session, position.place)
        self._places.append(former)
        self._follow(_Stage(former, stage.log_format, stage.names))
        try:
            return await self._follower.start_at(position.file, position.done_before)
        except (PrivilegeMissingError, NodeNotReadyError):
            return False

    @property
    def _best(self) -> str:
        return self.settings.formats[0]

    def _plan(self, place: LogPlace) -> None:
        """Decide what is read after the present files, and when."""
        now = time.monotonic()
        self._stages = []
        if place is self._stage.place:
            if self.log_format == self._best:
                self._better_since = None
                return
            if self.log_format in self.settings.formats:
                self._better_since = self._better_since or now
                if now - self._better_since < BETTER_FORMAT_S:
                    return
            else:
                self._stages = [
                    _Stage(place, astray, "stderr")
                    for astray in (self.log_format, self._best)
                    if astray != "stderr"
                ]
        self._better_since = None
        self._stages.append(_Stage(place, self._best, self._best))
        self._settled_at = now + SETTLE_S

    async def _next_stage(self) -> None:
        since = self._follower.done_before or time.time_ns()
        gaps = self._follower.gaps
        self._follower.close()
        self._follow(self._stages.pop(0))
        self._follower.gaps = gaps
        await self._follower.start_after(since - _OVERLAP_NS)

    def _take_line_settings(self, before: LogSettings, byte_offset: int) -> None:
        """Read again from the last refresh on where lines look different since.

        Some of what follows it was written with the new settings and read with the
        old.
        """
        file, offset = self._checkpoint
        read_with = before.line_prefix, before.timezone, self.languages
        if self._languages is not None:
            more = self.settings.languages
            self._languages = None if more is None else self._languages | more
        settings = self.settings
        if read_with != (settings.line_prefix, settings.timezone, self.languages):
            self._follower.rewind(offset if file == self._follower.reading else 0)
            self._rewound = True
            byte_offset = self._follower.begin
        self._checkpoint = (self._follower.reading, byte_offset)

    def _names(self, log_format: str) -> Callable[[str], bool]:
        names = [FileNames.of(name, log_format) for name in self._filenames]
        return lambda name: any(which.match(name) for which in names)
