"""What one node says of itself, to be compared: tables, clock, sequences."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg

from pgconflict.core.sequence_compare import NodeView as SequenceView
from pgconflict.errors import PgConflictError
from pgconflict.server.connect import major_version, rows
from pgconflict.server.sequences import SequenceNode
from pgconflict.server.subscriptions.facts import read as read_node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.config import Limits, Node
    from pgconflict.server.subscriptions.facts import NodeFacts

SEQUENCES_S: Final = 5.0
"""For all sequences of a database: a check is to be quick, `sequences check` is not."""

_CLOCKS: Final = 3
"""Times that the clock is asked; the quickest answer counts."""


@dataclass(frozen=True, slots=True)
class Table:
    """A published or subscribed table, or one that could be; columns in their order."""

    schemaname: str
    relname: str
    columns: Sequence[str]
    types: Sequence[str]
    not_null: Sequence[bool]
    uniques: Sequence[str]
    checks: Sequence[str]
    publications: Sequence[str]
    published: Sequence[str]
    """Columns that one of its publications has."""

    subscriptions: Sequence[str]

    @property
    def key(self) -> tuple[str, str]:
        """Schema and name."""
        return self.schemaname, self.relname


@dataclass(frozen=True, slots=True)
class Clock:
    """A server's clock against ours."""

    offset_s: float
    uncertainty_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One database of one node."""

    node: str
    database: str
    tables: Mapping[tuple[str, str], Table]
    sequences: SequenceView | None
    """None: they were not read in time."""

    of_dsn: bool
    """Whether the node's dsn names it."""

    @property
    def key(self) -> tuple[str, str]:
        """Names of node and database."""
        return self.node, self.database


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One node, asked at one moment."""

    facts: NodeFacts
    major: int
    clock: Clock
    places: Sequence[Place]
    """Databases that were looked into; the one that the dsn names is the first."""

    def place(self, database: str) -> Place | None:
        """Return the database, None if it was not looked into."""
        return next((one for one in self.places if one.database == database), None)

    @property
    def name(self) -> str:
        """The node's name in the configuration."""
        return self.facts.node.name


@dataclass(frozen=True, slots=True)
class _Clock:
    clock: float


async def read_view(
    connection: psycopg.AsyncConnection[Any], node: Node, limits: Limits
) -> View:
    """Return what the node says, and the database of the connection.

    Raises:
        psycopg.Error: as the server says.
    """
    facts = await read_node(connection, node)
    database = facts.server.database
    return View(
        facts=facts,
        major=major_version(connection),
        clock=await _clock(connection),
        places=[await read_place(connection, node, limits, database, of_dsn=True)],
    )


async def read_place(
    connection: psycopg.AsyncConnection[Any],
    node: Node,
    limits: Limits,
    database: str,
    *,
    of_dsn: bool = False,
) -> Place:
    """Return what the database of the connection holds.

    Raises:
        psycopg.Error: as the server says.
    """
    tables = await rows(connection, Table, "check_tables")
    return Place(
        node=node.name,
        database=database,
        tables={table.key: table for table in tables},
        sequences=await _sequences(node, limits, connection.info.dbname),
        of_dsn=of_dsn,
    )


async def _sequences(node: Node, limits: Limits, database: str) -> SequenceView | None:
    try:
        async with (
            asyncio.timeout(SEQUENCES_S),
            await SequenceNode.open(
                node, job="check", limits=limits, database=database, connections=1
            ) as one,
        ):
            return SequenceView(node=node.name, states=await one.states())
    except (TimeoutError, PgConflictError, psycopg.Error):
        return None


async def _clock(connection: psycopg.AsyncConnection[Any]) -> Clock:
    found = []
    for _ in range(_CLOCKS):
        began = time.time()
        (answer,) = await rows(connection, _Clock, "clock")
        ended = time.time()
        half = (ended - began) / 2
        found.append(Clock(answer.clock - began - half, half))
    return min(found, key=lambda clock: clock.uncertainty_s)
