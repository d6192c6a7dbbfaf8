"""What one look at a server's settings and tables costs it, connection included."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from pgconflict.config import Limits, Node
from pgconflict.daemon.coverage_job import read_facts, read_tables
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from tests.fixtures.nodes import Node as Server

LOOKS = 5


def look_ms(server: Server) -> list[float]:
    """Return the milliseconds that the server's process ran, for each of some looks."""
    return [asyncio.run(_look(server)) for _ in range(LOOKS)]


async def _look(server: Server) -> float:
    node = Node(name="b", dsn=server.dsn)
    session = await NodeSession.open(node, Limits(), job="coverage")
    try:
        (row,) = await session.rows_of("select pg_catalog.pg_backend_pid() as pid")
        await read_facts(session, node)
        await read_tables(session)
        await session.rows("retention_stopped")
        await session.rows("commit_timestamps_since")
        await session.rows("subscription_relations")
        return _ran_ms(row["pid"])
    finally:
        await session.close()


def _ran_ms(pid: int) -> float:
    ran = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text()
    return int(ran.split()[0]) / 1e6
