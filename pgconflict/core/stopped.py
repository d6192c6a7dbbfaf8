"""Which local rows a transaction meets that stopped apply, and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.conflict import Values
from pgconflict.core.repair import Write
from pgconflict.core.verdict import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.core.pgoutput import Change

Names = tuple[str, str]
Place = tuple[Names, tuple[str | None, ...]]


class Keep(StrEnum):
    """Whose row stays; the names are those of --keep."""

    OURS = "ours"
    THEIRS = "theirs"
    BOTH = "both"
    SKIP = "skip"


class Index(msgspec.Struct, frozen=True):
    """A unique index; without columns where expressions or a predicate decide."""

    name: str
    columns: tuple[str, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the subscriber, as far as what can be done depends on it."""

    identity: tuple[str, ...]
    """Columns of the index by which apply finds a row, or of another; may be none."""

    indexes: tuple[Index, ...]
    defaults: Mapping[str, str]
    """Columns to which the server can give a new value, and how."""


class Asked(msgspec.Struct, frozen=True):
    """A key to be looked up: what a change would write into a unique index."""

    place: int
    index: Index
    values: tuple[str, ...]


class Local(msgspec.Struct, frozen=True, kw_only=True):
    """A local row in the way: of which changes (from 0), by which indexes."""

    names: Names
    key: Values
    row: Row
    meets: tuple[tuple[int, Index], ...]

    @property
    def indexes(self) -> tuple[Index, ...]:
        """The indexes, each once."""
        return tuple(dict.fromkeys(index for _, index in self.meets))


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One statement that makes room; `quiet`: other nodes do not get it.

    An INSERT or UPDATE gives the columns `fresh` new values by their defaults.
    """

    names: Names
    write: Write
    quiet: bool
    fresh: tuple[str, ...] = ()
    of: int = 0
    """Which of the local rows it is about."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One choice: what it does, or why it can't be had."""

    keep: Keep
    lost: frozenset[int] = frozenset()
    """Places of changes that are not applied."""

    steps: Sequence[Step] = ()
    locals: Sequence[str] = ()
    """What becomes of each local row."""

    refusal: str | None = None


NO_ROOM: Final = (
    "which local row is in the way was not found: an index over an expression or a"
    " part of the table, or another constraint"
)


def asked(
    changes: Sequence[Change], tables: Mapping[Names, Table]
) -> dict[tuple[Names, Index], list[Asked]]:
    """Return what is to be looked up, by table and index."""
    found: dict[tuple[Names, Index], list[Asked]] = {}
    for place, change in enumerate(changes):
        names = (change.schemaname, change.relname)
        table = tables.get(names)
        if table is None or change.row is None:
            continue
        for index in table.indexes:
            values = [change.row.get(column) for column in index.columns]
            given = tuple(value for value in values if value is not None)
            # NULL meets nothing, and a large value that did not change is not sent.
            if index.columns and len(given) == len(values):
                one = Asked(place, index, given)
                found.setdefault((names, index), []).append(one)
    return found


def in_the_way(
    changes: Sequence[Change],
    tables: Mapping[Names, Table],
    found: Iterable[tuple[Asked, Row]],
) -> list[Local]:
    """Return the local rows that the transaction meets, in its order.

    Not those that it changes itself, by then or with this change.

    Args:
        changes: All of the transaction.
        tables: Of the subscriber.
        found: What was looked up, with the row that has the key now.
    """
    met: dict[Place, list[tuple[int, Index]]] = {}
    rows: dict[Place, Row] = {}
    for one, row in sorted(found, key=lambda each: each[0].place):
        change = changes[one.place]
        names = (change.schemaname, change.relname)
        identity = tables[names].identity
        place = (names, tuple(row.values.get(name) for name in identity))
        if _is_gone(changes, tables, one, place):
            continue
        rows[place] = row
        met.setdefault(place, []).append((one.place, one.index))
    return [
        Local(
            names=place[0],
            key=dict(zip(tables[place[0]].identity, place[1], strict=True)),
            row=rows[place],
            meets=tuple(meets),
        )
        for place, meets in met.items()
    ]


def _is_gone(
    changes: Sequence[Change],
    tables: Mapping[Names, Table],
    one: Asked,
    place: Place,
) -> bool:
    """Whether the transaction has moved the row away before, or writes it itself."""
    change = changes[one.place]
    if change.operation == "UPDATE" and old_key(change, tables) == place:
        return True
    gone = False
    for before in changes[: one.place]:
        if before.operation == "INSERT" or old_key(before, tables) != place:
            continue
        row = before.row or {}
        now = tuple(row.get(name) for name in one.index.columns)
        gone = before.operation == "DELETE" or (None not in now and now != one.values)
    return gone


def old_key(change: Change, tables: Mapping[Names, Table]) -> Place | None:
    """Return the row that a change finds, or None where its key does not say."""
    return _place(change, tables, change.key)


def new_key(change: Change, tables: Mapping[Names, Table]) -> Place | None:
    """Return the key that it leaves the row with."""
    return _place(change, tables, {**(change.key or {}), **(change.row or {})})


def _place(
    change: Change,
    tables: Mapping[Names, Table],
    values: Mapping[str, str | None] | None,
) -> Place | None:
    names = (change.schemaname, change.relname)
    table = tables.get(names)
    if table is None or not table.identity or values is None:
        return None
    if not set(table.identity) <= values.keys():
        return None
    return names, tuple(values[name] for name in table.identity)


def lost_with_ours(
    changes: Sequence[Change], tables: Mapping[Names, Table], rows: Sequence[Local]
) -> frozenset[int]:
    """Return which changes are not applied if the local rows stay.

    With an INSERT goes what the transaction does to its row later: applied, it would
    hit the local row of the same key.
    """
    lost = {place for row in rows for place, _ in row.meets}
    never: set[Place] = set()
    for place, change in enumerate(changes):
        if change.operation == "INSERT":
            key = new_key(change, tables)
            if key is not None:
                (never.add if place in lost else never.discard)(key)
            continue
        key = old_key(change, tables)
        if key in never:
            lost.add(place)
            moved = new_key(change, tables)
            if change.operation == "UPDATE" and moved is not None:
                never.add(moved)
    return frozenset(lost)
