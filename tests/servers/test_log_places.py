"""Where a node's log is read: here if the files are its own, else over SQL."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pytest

from pgconflict.config import Limits, Node, ServerLog
from pgconflict.errors import PrivilegeMissingError
from pgconflict.server.local_log import LocalLog
from pgconflict.server.log_follower import Bytes, LogFollower
from pgconflict.server.log_places import present_place
from pgconflict.server.log_settings import LogSettings
from pgconflict.server.session import NodeSession
from pgconflict.server.sql_log import SqlLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pgconflict.server.log_place import LogPlace
    from tests.fixtures.nodes import Node as Server
    from tests.fixtures.nodes import Pair


def grant(server: Server, role: str, *statements: str) -> str:
    """Make a role with what the statements give it, and a connection string of it."""
    server.execute(
        f"do $$ begin create role {role} login;"
        " exception when duplicate_object then null; end $$"
    )
    for statement in statements:
        server.execute(f"{statement} to {role}")
    return server.cluster.dsn("app", user=role)


MONITOR = "grant pg_monitor"
READ = "grant execute on function pg_read_binary_file(text, bigint, bigint, boolean)"


@asynccontextmanager
async def place_of(
    dsn: str,
    read: Literal["auto", "file", "sql"] = "auto",
    directory: Path | None = None,
) -> AsyncIterator[LogPlace]:
    """Where a node's log is read, with a session while it is."""
    log = ServerLog(
        read=read, directory=directory, poll_interval=timedelta(milliseconds=20)
    )
    node = Node(name="a", dsn=dsn, server_log=log)
    session = await NodeSession.open(node, Limits(), job="test")
    try:
        settings = LogSettings.from_row("a", await session.row("log_settings"))
        place = await present_place(node, session, settings)
        yield place
        place.close()
    finally:
        await session.close()


@pytest.mark.majors(18)
async def test_files_of_this_host_are_read_as_files(pair: Pair) -> None:
    dsn = grant(pair.b, "reads_files", MONITOR)

    async with place_of(dsn) as place:
        assert isinstance(place, LocalLog)
        assert place.directory == str(pair.b.log_directory)


@pytest.mark.majors(18)
async def test_another_server_s_files_under_the_same_path_are_not(pair: Pair) -> None:
    dsn = grant(pair.b, "reads_sql", MONITOR, READ)

    async with place_of(dsn, directory=pair.a.log_directory) as place:
        assert isinstance(place, SqlLog)


@pytest.mark.majors(18)
async def test_who_asks_for_files_gets_files(pair: Pair) -> None:
    dsn = grant(pair.b, "reads_files", MONITOR)

    async with place_of(dsn, "file", pair.a.log_directory) as place:
        assert isinstance(place, LocalLog)


@pytest.mark.majors(18)
async def test_without_the_grant_sql_is_refused(pair: Pair) -> None:
    dsn = grant(pair.b, "reads_nothing", MONITOR)

    with pytest.raises(PrivilegeMissingError, match="pg_read_binary_file"):
        async with place_of(dsn, "sql"):
            pass


async def test_over_sql_files_are_read_as_they_are(pair: Pair) -> None:
    """Rotation, truncation and a file that goes, on each version."""
    folder = pair.b.log_directory
    dsn = grant(pair.b, "reads_sql", MONITOR, READ)
    (folder / "ours-1").write_bytes(b"one ")
    async with place_of(dsn, "sql") as place:
        follower = LogFollower(place, lambda name: name.startswith("ours-"))
        await follower.start_after(0)
        seen = await read_all(follower)
        (folder / "ours-2").write_bytes(b"two ")
        seen += await read_all(follower)
        (folder / "ours-2").write_bytes(b"cut ")
        seen += await read_all(follower)
        (folder / "ours-2").unlink()
        seen += await read_all(follower)
        (folder / "ours-3").write_bytes(b"three ")
        seen += await read_all(follower)
    for name in ("ours-1", "ours-3"):
        (folder / name).unlink()

    assert seen == [b"one ", b"two ", b"cut ", b"three "]
    assert follower.gaps == {"truncated": 1, "vanished": 1}


async def read_all(follower: LogFollower) -> list[bytes]:
    seen = []
    for _ in range(6):
        follower.place._listed_at = -1e9  # type: ignore[attr-defined]
        event = await follower.next(0)
        if isinstance(event, Bytes):
            seen.append(event.data)
    return seen
