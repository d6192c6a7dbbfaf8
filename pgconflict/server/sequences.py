"""Reads every sequence of one database of one node.

No lock outlives a batch, so that the lock table of a default configuration is enough
for any number of sequences. What our role may not read comes back without a position,
never not at all.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import psycopg
from psycopg import conninfo, sql

from pgconflict.core.capability import capability
from pgconflict.core.sequence import SequenceName, SequenceState
from pgconflict.queries import query
from pgconflict.server.connect import (
    DEFAULT_LIMITS,
    connect_async,
    major_version,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from pgconflict.config import Limits, Node

    Connection = psycopg.AsyncConnection[Any]
    Position = tuple[int | None, bool]
    Progress = Callable[[int], None]

States = dict[SequenceName, SequenceState]
Rows = TypeVar("Rows")
Item = TypeVar("Item")

# Where each one's lock stays until the end of the statement: measured on 15 to 19,
# 8,000 fill the lock table of a default configuration. Two connections at once.
LOCKED_BATCH: Final = 1000
# Every part looks through the whole catalog.
BATCH: Final = 50_000
# A statement with more branches takes longer to plan than it saves.
DIRECT_BATCH: Final = 100
# Below it one connection is faster than connecting again.
WORTH_MORE_CONNECTIONS: Final = 4000
# Spreads any regular distance between oids evenly: what is made with tables has one.
_SPREAD: Final = 40503
# How often a batch is read again because a sequence was dropped meanwhile.
ATTEMPTS: Final = 5


@dataclass(slots=True)
class SequenceNode:
    """One database of one node, with the connections that read it.

    A context manager; `open` makes it.
    """

    name: str
    dsn: str
    limits: Limits
    job: str
    read_only: bool
    most_connections: int
    connections: list[Connection] = field(default_factory=list)
    _parts: int = 1

    @classmethod
    async def open(
        cls,
        node: Node,
        *,
        job: str,
        limits: Limits = DEFAULT_LIMITS,
        database: str | None = None,
        read_only: bool = True,
        connections: int = 2,
    ) -> Self:
        """Connect to the node's database, or to another one of the same server.

        Raises:
            NodeUnavailableError: it can't be reached.
            ConfigError: libpq refuses the connection string.
        """
        dsn = node.dsn
        if database is not None:
            dsn = conninfo.make_conninfo(dsn, dbname=database)
        opened = cls(node.name, dsn, limits, job, read_only, connections)
        await opened._connect(1)
        return opened

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections; a server that hangs is not waited for."""
        for connection in self.connections:
            connection.pgconn.finish()
        self.connections.clear()

    @property
    def who(self) -> str:
        """What messages call it."""
        return f"node {self.name}"

    @property
    def first(self) -> Connection:
        """The connection for single statements."""
        return self.connections[0]

    @property
    def major(self) -> int:
        """The server's major version."""
        return major_version(self.first)

    @property
    def database(self) -> str:
        """The database's name."""
        return self.first.info.dbname

    async def _connect(self, count: int) -> None:
        missing = range(min(count, self.most_connections) - len(self.connections))
        self.connections += await asyncio.gather(
            *(
                connect_async(
                    self.dsn,
                    job=self.job,
                    who=self.who,
                    limits=self.limits,
                    read_only=self.read_only,
                )
                for _ in missing
            )
        )

    async def widen(self, sequences: int) -> None:
        """Open further connections if that many sequences are worth it."""
        if sequences >= WORTH_MORE_CONNECTIONS:
            await self._connect(self.most_connections)

    def shares(
        self, items: Iterable[Item], oid: Callable[[Item], int]
    ) -> list[tuple[Connection, list[Item]]]:
        """Split what is about sequences among the connections that have read them.

        A connection that has opened a sequence once opens it again in a third of
        the time.
        """
        shares: list[list[Item]] = [[] for _ in self.connections]
        for item in items:
            part = part_of(oid(item), self._parts)
            shares[part % len(shares)].append(item)
        return list(zip(self.connections, shares, strict=True))

    async def fetch(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of the statement sql/queries/NAME of this version."""
        return await fetch(self.first, name, *values)

    async def states(
        self,
        *,
        schemas: Sequence[str] | None = None,
        wanted: Callable[[SequenceName], bool] | None = None,
        progress: Progress | None = None,
    ) -> States:
        """Return the chosen sequences by name, in the order of their names.

        Args:
            schemas: Only these; None for all.
            wanted: Says of a name whether it is chosen; None for all.
            progress: Is called with the number of sequences just read.

        Raises:
            NodeUnavailableError: the connection was lost, or a statement took too long.
        """
        with translated(self.who):
            ((count,),) = await self.fetch("sequence_count")
            await self.widen(count)
            self._parts = parts = max(-(-count // BATCH), len(self.connections))
            chosen = array(schemas) if schemas else None
            readers = [
                _Reader(connection, chosen, wanted, progress)
                for connection in self.connections
            ]
            found = await asyncio.gather(
                *(
                    # The same part by the same connection, each time.
                    reader.read(parts, range(place, parts, len(readers)))
                    for place, reader in enumerate(readers)
                )
            )
        states = [state for part in found for state in part]
        states.sort(key=attrgetter("name"))
        return {state.name: state for state in states}


def part_of(oid: int, parts: int) -> int:
    """Return which part of a node's sequences one belongs to, as the statements do."""
    return (oid * _SPREAD >> 16) % parts


@dataclass(slots=True)
class _Reader:
    """One connection, reading."""

    connection: Connection
    schemas: str | None
    wanted: Callable[[SequenceName], bool] | None
    progress: Progress | None

    async def read(self, parts: int, which: Iterable[int]) -> list[SequenceState]:
        at_once = capability(major_version(self.connection)).sequence_data_function
        found: list[SequenceState] = []
        for part in which:
            if at_once and self.wanted is None:
                states = await self._together(parts, part)
            else:
                states = list(map(state_of, await self._apart(parts, part)))
            found += states
            if self.progress is not None:
                self.progress(len(states))
        return found

    async def _together(self, parts: int, part: int) -> list[SequenceState]:
        """Read definitions and positions with one statement, which keeps no lock."""
        ask = partial(
            fetch, self.connection, "sequence_states", self.schemas, parts, part
        )
        states: list[SequenceState] = []
        for group in await _retried(self.connection, ask):
            states += _group(*group)
        # May not be read, or dropped in the same moment.
        unknown = [state.oid for state in states if state.last_value is None]
        if not unknown:
            return states
        still = await fetch(self.connection, "sequence_readable", array(unknown))
        denied = {oid for oid, _ in still}
        return [
            state
            for state in states
            if state.last_value is not None or state.oid in denied
        ]

    async def _apart(self, parts: int, part: int) -> list[tuple[Any, ...]]:
        rows = await fetch(
            self.connection, "sequence_definitions", self.schemas, None, parts, part
        )
        if self.wanted is not None:
            rows = [row for row in rows if self.wanted(SequenceName(row[1], row[2]))]
        names = {row[0]: SequenceName(row[1], row[2]) for row in rows}
        positions: dict[int, Position] = {}
        oids = list(names)
        for place in range(0, len(oids), LOCKED_BATCH):
            batch = oids[place : place + LOCKED_BATCH]
            positions |= await read_positions(self.connection, batch, names)
        return [row + positions[row[0]] for row in rows if row[0] in positions]


def state_of(row: tuple[Any, ...]) -> SequenceState:
    """Return a row of `sequence_definitions`, with its position, as what it is."""
    return SequenceState(row[0], SequenceName(row[1], row[2]), *row[3:])


def _group(schema: str, owner: str, *columns: Any) -> Iterable[SequenceState]:
    """Return a row of `sequence_states`; 100,000 times a run, so without a loop."""
    *shared, oids, relnames, files, last_values, are_called = columns
    names = map(tuple.__new__, repeat(SequenceName), zip(repeat(schema), relnames))
    if None in are_called:
        are_called = map(bool, are_called)
    return map(
        SequenceState,
        oids,
        names,
        repeat(owner),
        *map(repeat, shared),
        files,
        last_values,
        are_called,
    )


def array(values: Iterable[object]) -> str:
    """Return an array's text: psycopg takes far longer for a list.

    Values are numbers, booleans, None, or names.
    """
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return "null" if value is None else str(value)


async def fetch(
    connection: Connection, name: str, *values: object
) -> list[tuple[Any, ...]]:
    """Return the rows of the statement sql/queries/NAME of the server's version."""
    text = query(name, major_version(connection))
    cursor = psycopg.AsyncRawCursor(connection)
    await cursor.execute(text.encode(), values or None, binary=True)
    return await cursor.fetchall()


async def read_positions(
    connection: Connection, oids: Sequence[int], names: dict[int, SequenceName]
) -> dict[int, Position]:
    """Return where a batch of sequences stands; inside a transaction its locks stay.

    (None, False) is a sequence that our role may not read.
    """
    rows = await _retried(
        connection, partial(fetch, connection, "sequence_positions", array(oids))
    )
    found: dict[int, Position] = {
        oid: (last_value, is_called)
        for oid, last_value, is_called in rows
        if last_value is not None
    }
    if len(found) == len(oids):
        return found
    unknown = [oid for oid in oids if oid not in found]
    rows = await fetch(connection, "sequence_readable", array(unknown))
    readable = [oid for oid, allowed in rows if allowed]
    found |= {oid: (None, False) for oid, allowed in rows if not allowed}
    for place in range(0, len(readable), DIRECT_BATCH):
        direct = partial(_direct, connection, readable[place : place + DIRECT_BATCH])
        found |= await _retried(connection, partial(direct, names))
    return found


async def _retried(connection: Connection, read: Callable[[], Awaitable[Rows]]) -> Rows:
    """Read again when a sequence was dropped between looking it up and reading it."""
    idle = psycopg.pq.TransactionStatus.IDLE
    # Inside a transaction there is no second attempt: it has failed as a whole.
    attempts = ATTEMPTS if connection.info.transaction_status == idle else 1
    for left in reversed(range(attempts)):
        try:
            return await read()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InternalError_):
            if not left:
                raise
    raise AssertionError  # the last attempt returned or raised


async def _direct(
    connection: Connection, oids: Sequence[int], names: dict[int, SequenceName]
) -> dict[int, Position]:
    """Read sequences as the tables that they also are.

    Before 18 it is the only way to see the position of one that was never called.
    """
    still = await fetch(connection, "sequence_readable", array(oids))
    # tableoid: should the name belong to another sequence by now.
    branches = [
        sql.SQL("select tableoid, last_value, is_called from {}").format(
            sql.Identifier(*names[oid])
        )
        for oid, _ in still
    ]
    if not branches:
        return {}
    cursor = await connection.execute(sql.SQL(" union all ").join(branches))
    return {
        oid: (last_value, is_called)
        for oid, last_value, is_called in await cursor.fetchall()
    }
