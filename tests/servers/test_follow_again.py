"""The same entries come once more, in another format, while the daemon dies.

The conflict log is real, and so are the entries: a server that wrote all formats.
Which of its files are there, and what its settings say, is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, LiteralString, cast

import psycopg
import pytest

from pgconflict.config import Limits, Node, ServerLog
from pgconflict.conflict_log.entry import Node as LoggedNode
from pgconflict.conflict_log.writer import ConflictLogWriter
from pgconflict.core.conflict import Conflict
from pgconflict.daemon import follow, storing
from pgconflict.daemon.follow import Following
from pgconflict.daemon.health import Health
from pgconflict.daemon.job import Job
from pgconflict.daemon.metrics import Metrics
from pgconflict.daemon.positions import to_be_read
from pgconflict.daemon.resolve import Resolver
from pgconflict.server import log_reader
from pgconflict.server.catalog import Catalog
from pgconflict.server.log_reader import LogReader
from pgconflict.server.log_settings import LogSettings
from pgconflict.server.session import NodeSession
from tests.fixtures.conflict_logs import connect, new_conflict_log
from tests.fixtures.corpus_logs import entries, log, prefix
from tests.fixtures.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pgconflict.conflict_log.entry import Batch, Counted
    from tests.fixtures.servers import ConflictLogServer

RUN = "18/main"
SUFFIXES = {"jsonlog": "json", "csvlog": "csv", "stderr": "log"}


class DiedError(Exception):
    """The daemon is gone."""


class Server:
    """Answers for its settings; its log is what a test puts into a folder."""

    def __init__(self, session: NodeSession, folder: Path) -> None:
        self.session, self.folder = session, folder
        self.log_format = self.destination = "stderr"
        self.number = 0

    async def row(self, name: str) -> dict[str, Any]:
        return dict(await self.session.row(name)) | {
            "log_destination": self.destination,
            "log_directory": str(self.folder),
            "log_filename": "pg-%s.log",
            "log_line_prefix": prefix(RUN),
            "log_timezone": "UTC",
        }

    def write(self, log_format: str, data: bytes, *beside: str) -> None:
        """Write to a new file from now on, and in other formats as before."""
        self.number += 1
        self.log_format = log_format
        self.destination = ",".join((log_format, *beside))
        suffix = SUFFIXES[log_format]
        (self.folder / f"pg-{self.number}.{suffix}").write_bytes(data)

    def append(self, data: bytes) -> None:
        """Write more to the newest file."""
        newest = self.folder / f"pg-{self.number}.{SUFFIXES[self.log_format]}"
        with newest.open("ab") as file:
            file.write(data)

    def settings(self, row: dict[str, Any]) -> LogSettings:
        return LogSettings.from_row("a", cast("Any", row))


class Log:
    """One conflict log and one node, followed by one daemon after another."""

    def __init__(self, dsn: str, server: Server) -> None:
        self.dsn, self.server = dsn, server
        self.node = Node(
            name="a",
            dsn="dbname=x",
            server_log=ServerLog(read="file", directory=server.folder),
        )
        self.die_in: str | None = None

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[asyncio.Task[None]]:
        session = cast("NodeSession", self.server)
        settings = self.server.settings(await self.server.row("log_settings"))
        writer = await ConflictLogWriter.over(
            await connect(self.dsn), LoggedNode(name="a", system_identifier=7)
        )
        self._mortal(writer)
        position = await writer.position()
        reader = await LogReader.open(
            self.node, session, settings, to_be_read(position)
        )
        catalog = Catalog(self.node, Limits(), self.server.session, settings.database)
        await catalog.look()
        following = Following(
            Job("a", "tail", Metrics(), Health(), within_s=60),
            reader=reader,
            session=session,
            writer=writer,
            resolver=Resolver(catalog),
            limits=Limits(),
        )
        task = asyncio.create_task(following.run(position))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            reader.close()
            await catalog.close()
            await writer.close()

    def _mortal(self, writer: ConflictLogWriter) -> None:
        write = writer.write

        async def write_or_die(batch: Batch) -> Counted:
            done = await write(batch)
            if batch.position and batch.position.log_format == self.die_in:
                self.die_in = None
                raise DiedError
            return done

        writer.write = write_or_die  # type: ignore[method-assign]

    async def read_all(self) -> None:
        """Wait until the daemon has stored that it read the newest file."""
        server = self.server
        newest = f"pg-{server.number}.{SUFFIXES[server.log_format]}"
        size = (server.folder / newest).stat().st_size
        await eventually(
            lambda: self.position() == (newest, size), f"{newest} is read to its end"
        )

    def position(self) -> tuple[str, int] | None:
        """Return the file and the place in it up to which all is stored."""
        rows = self._query("select file_name, byte_offset from pgconflict.log_position")
        return rows[0] if rows else None

    def counted(self) -> tuple[int, int]:
        """Return how many conflicts are recorded, and how many attempts."""
        ((conflicts, attempts),) = self._query(
            "select count(*), sum(attempts)::int8 from pgconflict.conflict_log"
        )
        return conflicts, attempts

    def _query(self, statement: LiteralString) -> list[Any]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "SETTLE_S", 0.0)
    monkeypatch.setattr(log_reader, "BETTER_FORMAT_S", 0.0)
    monkeypatch.setattr(follow, "REFRESH_S", 0.1)
    monkeypatch.setattr(storing, "POSITION_S", 0.0)


@pytest.fixture
async def followed_log(
    conflict_log_server: ConflictLogServer, tmp_path: Path
) -> AsyncIterator[Log]:
    node = Node(name="a", dsn=conflict_log_server.cluster.dsn())
    session = await NodeSession.open(node, Limits(), job="test")
    yield Log(new_conflict_log(conflict_log_server), Server(session, tmp_path))
    await session.close()


async def test_death_between_two_formats_counts_nothing_twice(
    followed_log: Log,
) -> None:
    """It dies when the first position in the new format is stored."""
    server = followed_log.server
    server.write("stderr", log(RUN, "stderr"))
    async with followed_log.followed() as first:
        await followed_log.read_all()
        once = followed_log.counted()
        followed_log.die_in = "csvlog"
        server.write("csvlog", log(RUN, "csvlog"), "stderr")
        await eventually(first.done, "the daemon died")
    async with followed_log.followed():
        await followed_log.read_all()

    assert isinstance(first.exception(), DiedError)
    assert once[1] > once[0] > 50
    assert followed_log.counted() == once


async def test_a_retry_after_a_restart_between_two_formats_counts(
    followed_log: Log,
) -> None:
    """It stops within the last second that is in both logs; then comes a retry."""
    server = followed_log.server
    server.write("stderr", log(RUN, "stderr"))
    async with followed_log.followed():
        await followed_log.read_all()
        conflicts, attempts = followed_log.counted()
        server.write("csvlog", log(RUN, "csvlog"), "stderr")
        await followed_log.read_all()
    server.append(last_conflict_again())
    async with followed_log.followed():
        await followed_log.read_all()

    assert followed_log.counted() == (conflicts, attempts + 1)


def last_conflict_again() -> bytes:
    """What the server would write if apply failed on it again at once."""
    last = [each for each in entries(RUN, "csvlog") if isinstance(each, Conflict)][-1]
    begin = f",{last.session_id},{last.line_num},".encode()
    (line,) = (each for each in log(RUN, "csvlog").splitlines(True) if begin in each)
    return line.replace(begin, f",{last.session_id},1000,".encode())
