"""The log directory of a node, read over SQL.

For nodes whose files this host can't read. The role needs pg_monitor and EXECUTE on
pg_read_binary_file(text, bigint, bigint, boolean), and no more; it need not be a
superuser (15 to 19).

The server lists its present log_directory only. When the setting changes, a file that
it made in the former one after our last listing, a second ago, is never heard of.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from pgconflict.server.log_place import LogFile, Piece

if TYPE_CHECKING:
    from pgconflict.server.log_place import OpenLog
    from pgconflict.server.session import NodeSession

LIST_S: Final = 1.0
"""Between two listings of the directory."""


class SqlFile:
    """A log file, known to the server by its name only."""

    def __init__(self, session: NodeSession, directory: str, name: str) -> None:
        self.name = name
        self.identity = name
        self._session = session
        self._path = f"{directory}/{name}"

    async def read(self, offset: int, length: int, head_length: int) -> Piece | None:
        """Return what is there now; None if no file has the name any more."""
        row = await self._session.row(
            "log_read", self._path, offset, length, head_length
        )
        if row["data"] is None or row["head"] is None:
            return None
        return Piece(row["data"], row["head"], None)

    def close(self) -> None:
        """Nothing is held."""


class SqlLog:
    """The log directory of the session's server.

    Args:
        session: Of the job that reads; it is not closed here.
        directory: log_directory as the server has it: files are asked for in it.
        poll_s: Seconds between two looks.
    """

    def __init__(self, session: NodeSession, directory: str, *, poll_s: float) -> None:
        self.directory = directory
        self._session = session
        self._poll_s = poll_s
        self._listed_at = float("-inf")
        self._files: list[LogFile] = []

    @property
    def listing_due(self) -> bool:
        """Whether nobody has looked for a while."""
        return time.monotonic() - self._listed_at >= LIST_S

    async def files(self) -> list[LogFile]:
        """Return the files of the directory.

        When log_directory is another by now, those it had: the server lists no
        other, but it still reads them.
        """
        self._listed_at = time.monotonic()
        rows = await self._session.rows("log_files")
        if all(row["directory"] == self.directory for row in rows):
            self._files = [
                LogFile(name, size, int(modified * 1e9), name)
                for name, size, modified, _ in rows
            ]
        return self._files

    async def open(self, name: str) -> SqlFile | None:
        """Return the file of this name, whether there is one or not."""
        return SqlFile(self._session, self.directory, name)

    def watch(self, log: OpenLog) -> None:
        """Nothing wakes us."""

    async def wait(self, seconds: float) -> None:
        """Return when it is time to look again."""
        await asyncio.sleep(min(seconds, self._poll_s))

    def close(self) -> None:
        """Nothing is held."""
