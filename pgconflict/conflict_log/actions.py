"""What was done to subscriptions, and what is known of transactions to be skipped.

An action is written down before it is done and completed afterwards: one without an
outcome was cut short.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import psycopg
from psycopg.rows import class_row

from pgconflict.core.conflict import Values
from pgconflict.core.lsn import format_lsn
from pgconflict.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pgconflict.conflict_log.row_policy import RowPolicy

Row = TypeVar("Row")
Connection = psycopg.Connection[Any]

_BATCH: Final = 1000


class LostChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change that a skipped transaction would have made."""

    schemaname: str | None
    relname: str | None
    operation: str
    key: Values | None = None
    row: Values | None = None


class MovedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A local row that makes room, as it was, and what becomes of it."""

    schemaname: str
    relname: str
    fate: str
    key: Values | None
    row: Values | None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be done, to whom, by whom and why."""

    action: str
    node: str
    system_identifier: int
    database: str
    subid: int
    subname: str
    slot_name: str | None
    publisher: str | None
    statements: Sequence[str]
    role: str
    reason: str | None
    lsn: int | None = None
    xid: int | None = None
    changes: int | None = None
    """How many the transaction makes; None: nobody knows."""

    changes_known: bool = False
    """Whether `lost` is all of them."""

    lost: Sequence[LostChange] = ()
    moved: Sequence[MovedRow] = ()


class StalledTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that stopped apply; `type` is one of its conflicts'."""

    lsn: str | None
    xid: int | None
    status: str
    since: datetime
    last_logged_at: datetime
    attempts: int
    conflict_id: int
    type: str


class OpenStall(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps a subscription from applying: its first open conflict or error."""

    subid: int
    conflict_id: int
    type: str
    schemaname: str | None
    relname: str | None
    relation: str | None
    xid: int | None
    lsn: str | None
    attempts: int
    since: datetime
    last_logged_at: datetime
    message: str | None

    @property
    def table(self) -> str | None:
        """The relation's name for people."""
        if self.relname is None or self.schemaname is None:
            return self.relation
        return f"{self.schemaname}.{self.relname}"


class Unaccounted(msgspec.Struct, frozen=True, kw_only=True):
    """A counter of the server that differs from what was recorded."""

    subname: str
    counter: str
    unaccounted: int


class KnownConflict(msgspec.Struct, frozen=True, kw_only=True):
    """One conflict of a transaction, as far as it says what would be lost."""

    conflict_id: int
    type: str
    stalls: bool
    status: str
    schemaname: str | None
    relname: str | None
    relation: str | None
    operation: str | None
    key: str | None
    row: str | None
    key_text: str | None
    row_text: str | None
    message: str | None
    attempts: int

    def change(self) -> LostChange | None:
        """The change that it is about; None where the log does not say which."""
        if self.operation is None:
            return None
        return LostChange(
            schemaname=self.schemaname,
            relname=self.relname or self.relation,
            operation=self.operation,
            key=_values(self.key),
            row=_values(self.row),
        )


def stalled(
    connection: Connection, system_identifier: int, subid: int, lsn: int | None
) -> list[StalledTransaction]:
    """What stopped apply and is not done with, and what ends at `lsn` in any state."""
    values = (system_identifier, subid, None if lsn is None else format_lsn(lsn))
    return _fetch(connection, StalledTransaction, "skip_stalls", values)


def open_stalls(connection: Connection, system_identifier: int) -> dict[int, OpenStall]:
    """What blocks each subscription of a server, by the subscription's oid."""
    found = _fetch(connection, OpenStall, "open_stalls", (system_identifier,))
    return {stall.subid: stall for stall in found}


def gaps(connection: Connection, system_identifier: int) -> list[Unaccounted]:
    """What a server counted and the log has not, or the other way round."""
    return _fetch(connection, Unaccounted, "preflight_ledger", (system_identifier,))


def conflicts_of(
    connection: Connection,
    system_identifier: int,
    subid: int,
    lsn: int | None,
    xid: int | None,
) -> list[KnownConflict]:
    """All conflicts of one remote transaction, those that stopped nothing included."""
    finish = None if lsn is None else format_lsn(lsn)
    values = (system_identifier, subid, finish, xid)
    return _fetch(connection, KnownConflict, "skip_conflicts", values)


def begin(connection: Connection, action: Action, policy: RowPolicy) -> int:
    """Writes down what is about to be done; the number of the action.

    Raises:
        psycopg.Error: nothing is written then, and nothing must be done.
    """
    values = (
        action.action,
        action.node,
        action.system_identifier,
        action.database,
        action.subid,
        action.subname,
        action.slot_name,
        action.publisher,
        None if action.lsn is None else format_lsn(action.lsn),
        action.xid,
        list(action.statements),
        action.role,
        getpass.getuser(),
        socket.gethostname(),
        action.reason,
        action.changes,
        action.changes_known,
    )
    with connection.transaction():
        cursor = psycopg.RawCursor(connection)
        row = cursor.execute(query("action_begin").encode(), values).fetchone()
        assert row is not None  # noqa: S101 - an INSERT of one row returns it
        number = int(row[0])
        place = 1
        for batch in _batches(action.lost):
            rows = [_kept(change, policy) for change in batch]
            text = msgspec.json.encode(rows).decode()
            cursor.execute(query("lost_changes_put").encode(), (number, place, text))
            place += len(rows)
        if action.moved:
            moved = [_kept_row(row, policy) for row in action.moved]
            text = msgspec.json.encode(moved).decode()
            cursor.execute(query("moved_rows_put").encode(), (number, text))
    return number


def end(connection: Connection, number: int, outcome: str, seen: Sequence[str]) -> None:
    """Writes down what came of it."""
    psycopg.RawCursor(connection).execute(
        query("action_end").encode(), (number, outcome, list(seen))
    )


def close_story(
    connection: Connection,
    action: Action,
    at: datetime,
) -> None:
    """Marks the conflicts of a skipped transaction; the daemon does it by the log.

    What parallel apply logged without its LSN nobody else would close.
    """
    if action.lsn is None:
        return
    system = action.system_identifier
    cursor = psycopg.RawCursor(connection)
    cursor.execute(
        query("story_skipped").encode(),
        (system, action.subname, at, format_lsn(action.lsn)),
    )
    if action.xid is not None:
        cursor.execute(
            query("story_skipped_streamed").encode(),
            (system, action.subid, action.xid, at),
        )


def close_applied(connection: Connection, action: Action, at: datetime) -> None:
    """Marks the conflicts of a transaction that apply was seen to have passed."""
    if action.lsn is None:
        return
    psycopg.RawCursor(connection).execute(
        query("story_kept").encode(),
        (
            action.system_identifier,
            action.subid,
            at,
            format_lsn(action.lsn),
            action.xid,
        ),
    )


def _kept_row(row: MovedRow, policy: RowPolicy) -> MovedRow:
    table = (row.schemaname, row.relname)
    return MovedRow(
        schemaname=row.schemaname,
        relname=row.relname,
        fate=row.fate,
        key=_storable(policy.values(*table, row.key, key=True)),
        row=_storable(policy.values(*table, row.row, key=False)),
    )


def _kept(change: LostChange, policy: RowPolicy) -> LostChange:
    table = (change.schemaname, change.relname)
    return LostChange(
        schemaname=change.schemaname,
        relname=change.relname,
        operation=change.operation,
        key=_storable(policy.values(*table, change.key, key=True)),
        row=_storable(policy.values(*table, change.row, key=False)),
    )


def _storable(values: Values | None) -> Values | None:
    """Without NUL, which no JSON of PostgreSQL holds; no server sends one."""
    if values is None:
        return None
    return {
        name: value and value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        for name, value in values.items()
    }


def _values(text: str | None) -> Values | None:
    return None if text is None else msgspec.json.decode(text, type=Values)


def _batches(changes: Sequence[LostChange]) -> Iterator[Sequence[LostChange]]:
    for start in range(0, len(changes), _BATCH):
        yield changes[start : start + _BATCH]


def _fetch(
    connection: Connection, kind: type[Row], name: str, values: Iterable[object]
) -> list[Row]:
    cursor = psycopg.RawCursor(connection, row_factory=class_row(kind))
    with cursor:
        cursor.execute(query(name).encode(), list(values))
        return cursor.fetchall()
