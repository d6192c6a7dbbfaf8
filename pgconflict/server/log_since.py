"""What a node logs about a subscription from a moment on, for a command that watches.

The daemon follows a log for ever and remembers where it was; this looks once or twice,
at what has come since, the same way: as a file or over SQL, in the best format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from pgconflict.core.conflict import StoryEvent
from pgconflict.core.recogniser import Recogniser
from pgconflict.server.log_places import present_place
from pgconflict.server.log_settings import LogSettings
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pgconflict.config import Limits, Node
    from pgconflict.server.log_place import LogFile, LogPlace

_PIECE: Final = 1 << 20
_MOST: Final = 256 << 20
"""Of a file that grew more meanwhile, the end is read."""


class LogSince:
    """A node's log from the moment on when `open` returned."""

    def __init__(
        self, session: NodeSession, settings: LogSettings, place: LogPlace
    ) -> None:
        self._session = session
        self._settings = settings
        self._place = place
        self._format = settings.formats[0]
        self._sizes: dict[Hashable, int] = {}

    @classmethod
    async def open(cls, node: Node, limits: Limits) -> Self:
        """Remember where the log ends now.

        Raises:
            PgConflictError: the log can't be read, with the reason.
        """
        session = await NodeSession.open(node, limits, job="subscriptions")
        try:
            settings = LogSettings.from_row(
                node.name, await session.row("log_settings")
            )
            settings.require_files(node.name)
            place = await present_place(node, session, settings)
            since = cls(session, settings, place)
            since._sizes = {one.identity: one.size for one in await since._files()}
        except BaseException:
            session.terminate()
            raise
        return since

    async def events(self) -> list[StoryEvent]:
        """Return what workers have said since, of every subscription.

        Raises:
            PgConflictError: the log can't be read any more.
        """
        found: list[StoryEvent] = []
        for file in await self._files():
            begin = max(self._sizes.get(file.identity, 0), file.size - _MOST)
            if begin < file.size:
                found += await self._read(file, begin)
        return found

    async def close(self) -> None:
        """Let the place and the connection go."""
        self._place.close()
        await self._session.close()

    async def _files(self) -> list[LogFile]:
        names = self._settings.files_of(self._format)
        return [one for one in await self._place.files() if names.match(one.name)]

    async def _read(self, file: LogFile, begin: int) -> list[StoryEvent]:
        log = await self._place.open(file.name)
        if log is None:
            return []
        recogniser = Recogniser(
            self._format,
            log_line_prefix=self._settings.line_prefix,
            log_timezone=self._settings.timezone,
            languages=self._settings.languages,
            codec=self._settings.codec,
            undated=True,
        )
        entries = []
        try:
            while piece := await log.read(begin, _PIECE, 0):
                if not piece.data:
                    break
                begin += len(piece.data)
                entries += recogniser.feed(piece.data)
        finally:
            log.close()
        entries += recogniser.end_of_file()
        return [one for one in entries if isinstance(one, StoryEvent)]
