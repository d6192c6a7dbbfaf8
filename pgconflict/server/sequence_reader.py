"""Reads sequences over one connection: their definitions, and where they stand.

No lock outlives a batch, so that the lock table of a default configuration is enough
for any number of sequences. What our role may not read comes back without a position,
never not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg import sql

from pgconflict.core.capability import capability
from pgconflict.core.sequence import SequenceName, SequenceState
from pgconflict.queries import query
from pgconflict.server.connect import major_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    Connection = psycopg.AsyncConnection[Any]
    Position = tuple[int | None, bool]
    Progress = Callable[[int], None]

Rows = TypeVar("Rows")

# Where each one's lock stays until the end of the statement: measured on 15 to 19,
# 8,000 fill the lock table of a default configuration. Two connections at once.
LOCKED_BATCH: Final = 1000
# A statement with more branches takes longer to plan than it saves.
DIRECT_BATCH: Final = 100
# How often a batch is read again because a sequence was dropped meanwhile.
ATTEMPTS: Final = 5


@dataclass(slots=True)
class SequenceReader:
    """One connection, reading the chosen sequences of its database."""

    connection: Connection
    schemas: str | None
    """An array's text: only these; None for all."""

    wanted: Callable[[SequenceName], bool] | None
    progress: Progress | None
    """Is called with the number of sequences just read."""

    async def read(self, parts: int, which: Iterable[int]) -> list[SequenceState]:
        """Return the sequences of some of the parts that all are split into."""
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
