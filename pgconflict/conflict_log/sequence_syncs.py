"""What was done to sequences, and its proof: written before, completed afterwards.

Both are in the conflict log database because the nodes are what is changed, and one
of them may be switched off the next minute.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import msgspec
import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from pgconflict import __version__
from pgconflict.core.lsn import format_lsn
from pgconflict.core.sequence import SequenceName
from pgconflict.core.sequence_check import Given
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.core.sequence import SequenceState

Connection = psycopg.Connection[Any]

_COLUMNS = (
    "node",
    "schemaname",
    "sequencename",
    "source_last_value",
    "source_is_called",
    "old_last_value",
    "old_is_called",
    "last_value",
    "is_called",
    "increment",
    "minimum",
    "maximum",
    "relfilenode",
    "column_value",
    "moved",
    "reason",
    "doubt",
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be done."""

    kind: str
    source_node: str | None
    target_nodes: Sequence[str]
    database: str
    options: Mapping[str, object]
    node_role: str


class Value(msgspec.Struct, frozen=True, gc=False):
    """One sequence of one node; the fields are the columns."""

    node: str
    schemaname: str
    sequencename: str
    source_last_value: int | None
    source_is_called: bool | None
    old_last_value: int | None
    old_is_called: bool | None
    last_value: int | None
    is_called: bool | None
    increment: int | None
    minimum: int | None
    maximum: int | None
    relfilenode: int | None
    column_value: int | None
    moved: bool
    reason: str
    doubt: str | None

    @classmethod
    def of(
        cls,
        node: str,
        name: SequenceName,
        states: tuple[SequenceState | None, SequenceState | None],
        *,
        moved: bool,
        reason: str,
        doubt: str | None,
        source: SequenceState | None = None,
        column_value: int | None = None,
    ) -> Self:
        """A sequence whose states were these, before and after; None: it was not there.

        Without a source it got values of its own.
        """
        before, after = states
        return cls(
            node,
            *name,
            source.last_value if source else None,
            source.is_called if source else None,
            before.last_value if before else None,
            before.is_called if before else None,
            after.last_value if after else None,
            after.is_called if after else None,
            after.increment if after else None,
            after.minimum if after else None,
            after.maximum if after else None,
            after.file if after else None,
            column_value,
            moved,
            reason,
            doubt,
        )


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    outcome: str
    moved: int = 0
    unchanged: int = 0
    blocked: int = 0
    doubts: int = 0
    source_lsn: int | None = None
    applied_lsn: int | None = None
    longest_lock_s: float | None = None
    seen: Sequence[str] = ()


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the conflict log has it; the fields are the columns."""

    sync_id: int
    kind: str
    source_node: str | None
    target_nodes: list[str]
    database: str
    options: dict[str, Any]
    began_at: datetime
    ended_at: datetime | None
    outcome: str | None
    moved: int | None
    unchanged: int | None
    blocked: int | None
    doubts: int | None
    source_lsn: str | None
    applied_lsn: str | None
    longest_lock: timedelta | None
    seen: list[str] | None
    conflict_log_role: str
    node_role: str
    os_user: str
    host: str
    pgconflict_version: str


def begin(connection: Connection, run: Run) -> int:
    """Write down what is about to be done; the number of the run."""
    cursor = psycopg.RawCursor(connection)
    cursor.execute(
        query("sequence_sync_begin").encode(),
        (
            run.kind,
            run.source_node,
            list(run.target_nodes),
            run.database,
            Jsonb(dict(run.options)),
            run.node_role,
            getpass.getuser(),
            socket.gethostname(),
            __version__,
        ),
    )
    row = cursor.fetchone()
    assert row is not None  # noqa: S101  # INSERT ... RETURNING
    return int(row[0])


def end(
    connection: Connection, sync_id: int, ending: Ending, values: Iterable[Value] = ()
) -> None:
    """Write down what came of it: the values and the outcome, or neither."""
    longest = ending.longest_lock_s
    columns = ", ".join(_COLUMNS)
    statement = (
        f"copy pgconflict.sequence_sync_value (sync_id, place, {columns}) from stdin"
    )
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(statement.encode()) as copy:
            for place, value in enumerate(values):
                copy.write_row((sync_id, place, *msgspec.structs.astuple(value)))
        psycopg.RawCursor(connection).execute(
            query("sequence_sync_end").encode(),
            (
                sync_id,
                ending.outcome,
                ending.moved,
                ending.unchanged,
                ending.blocked,
                ending.doubts,
                None if ending.source_lsn is None else format_lsn(ending.source_lsn),
                None if ending.applied_lsn is None else format_lsn(ending.applied_lsn),
                None if longest is None else timedelta(seconds=longest),
                list(ending.seen),
            ),
        )


def stored(connection: Connection, sync_id: int | None) -> Stored | None:
    """Return a run, or the newest that came to its end; None: there is none."""
    cursor = psycopg.RawCursor(connection, row_factory=class_row(Stored))
    cursor.execute(query("sequence_sync").encode(), (sync_id,))
    return cursor.fetchone()


def values(connection: Connection, sync_id: int) -> list[Value]:
    """Return each sequence of a run."""
    cursor = psycopg.RawCursor(connection, row_factory=class_row(Value))
    cursor.execute(query("sequence_sync_values").encode(), (sync_id,))
    return cursor.fetchall()


def given(
    connection: Connection, node: str, database: str
) -> dict[SequenceName, Given]:
    """Return what `stagger` gave the sequences of a node the last time."""
    cursor = psycopg.RawCursor(connection)
    cursor.execute(query("sequence_given").encode(), (node, database))
    found = {}
    for schema, name, increment, minimum, maximum, last_value, at, file in cursor:
        key = SequenceName(schema, name)
        found[key] = Given(
            node=node,
            name=key,
            increment=increment,
            minimum=minimum,
            maximum=maximum,
            last_value=last_value,
            file=file,
            at=f"{at:%Y-%m-%d %H:%M:%S}",
        )
    return found
