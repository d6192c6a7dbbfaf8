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
    from collections.abc import Sequence

    from pgconflict.config import Limits, Node
    from pgconflict.server.subscriptions.facts import NodeFacts

SEQUENCES_S: Final = 5.0
"""For all sequences of a node: a check is to be quick, and `sequences check` is not."""

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
class View:
    """One node, asked at one moment, in the database of its dsn."""

    facts: NodeFacts
    major: int
    tables: dict[tuple[str, str], Table]
    clock: Clock
    sequences: SequenceView | None
    """None: they were not read in time."""

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
    """Return what the node says.

    Raises:
        psycopg.Error: as the server says.
    """
    tables = await rows(connection, Table, "check_tables")
    return View(
        facts=await read_node(connection, node),
        major=major_version(connection),
        tables={table.key: table for table in tables},
        clock=await _clock(connection),
        sequences=await _sequences(node, limits),
    )


async def _sequences(node: Node, limits: Limits) -> SequenceView | None:
    try:
        async with (
            asyncio.timeout(SEQUENCES_S),
            await SequenceNode.open(
                node, job="check", limits=limits, connections=1
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
