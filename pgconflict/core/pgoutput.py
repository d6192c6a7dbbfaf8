"""The messages of pgoutput, the output plugin of logical replication, taken apart.

What a subscription is sent without streaming, in protocol versions 1 to 4, values as
text. Source: protocol.sgml, "Logical Replication Message Formats", 15 to 19.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

Operation = Literal["INSERT", "UPDATE", "DELETE", "TRUNCATE"]
Row = dict[str, str | None]

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_KEY_COLUMN: Final = 1


class Begin(msgspec.Struct, frozen=True):
    """A transaction begins: `lsn` is the one that ALTER SUBSCRIPTION ... SKIP takes."""

    lsn: int
    commit_ts: datetime
    xid: int
    prepared: bool = False
    gid: str | None = None


class End(msgspec.Struct, frozen=True):
    """It ends: a subscriber that has applied it is at `end_lsn`."""

    lsn: int
    end_lsn: int


class Relation(msgspec.Struct, frozen=True):
    """A table of the publisher, as the changes that follow name it."""

    relid: int
    schemaname: str
    relname: str
    columns: tuple[str, ...]
    key_columns: frozenset[str]


class Change(msgspec.Struct, frozen=True):
    """One row's change, or one table's TRUNCATE.

    `row` lacks the columns whose large values did not change; it is None for a
    DELETE, whose `key` has what the replica identity is.
    """

    operation: Operation
    schemaname: str
    relname: str
    key: Row | None
    row: Row | None


class Other(msgspec.Struct, frozen=True):
    """A message that changes no row: a type, an origin, a logical message."""

    kind: str


Message = Begin | End | Relation | Change | tuple[Change, ...] | Other


class Decoder:
    """Takes messages one after the other: a change is understood by its relation."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}

    def decode(self, data: bytes) -> Message:
        """Return what the message says.

        Raises:
            ValueError: it is none of pgoutput's, or is cut off.
        """
        try:
            return self._decode(_Reader(data))
        except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
            raise ValueError(f"not a message of pgoutput: {data[:20]!r}") from error

    def _decode(self, data: _Reader) -> Message:
        kind = data.character()
        match kind:
            case "B" | "b":
                return _begin(data, prepared=kind == "b")
            case "C" | "P" | "K":
                _, lsn, end_lsn = data.take("!BQQ")
                return End(lsn, end_lsn)
            case "R":
                return self._relation(data)
            case "I" | "U" | "D":
                return self._change(kind, data)
            case "T":
                number, _ = data.take("!IB")
                return tuple(self._truncate(data) for _ in range(number))
        if kind not in _NO_ROWS:
            raise ValueError(f"unknown message {kind!r} of pgoutput")
        return Other(kind)

    def _relation(self, data: _Reader) -> Relation:
        (relid,) = data.take("!I")
        # pg_catalog goes as the empty string.
        schemaname = data.text() or "pg_catalog"
        relname = data.text()
        _, number = data.take("!BH")
        columns, keys = [], set()
        for _ in range(number):
            (flags,) = data.take("!B")
            columns.append(data.text())
            data.take("!Ii")
            if flags & _KEY_COLUMN:
                keys.add(columns[-1])
        relation = Relation(relid, schemaname, relname, tuple(columns), frozenset(keys))
        self._relations[relid] = relation
        return relation

    def _change(self, kind: str, data: _Reader) -> Change:
        (relid,) = data.take("!I")
        relation = self._relations[relid]
        old: Row | None = None
        part = data.character()
        if part in "KO":
            old = data.row(relation.columns)
            part = data.character() if kind == "U" else ""
        new = data.row(relation.columns) if part == "N" else None
        return Change(
            operation=_OPERATIONS[kind],
            schemaname=relation.schemaname,
            relname=relation.relname,
            key=_key(relation, old or new),
            row=new,
        )

    def _truncate(self, data: _Reader) -> Change:
        (relid,) = data.take("!I")
        relation = self._relations[relid]
        return Change("TRUNCATE", relation.schemaname, relation.relname, None, None)


def _begin(data: _Reader, *, prepared: bool) -> Begin:
    if prepared:
        lsn, _, at, xid = data.take("!QQqI")
        return Begin(lsn, _time(at), xid, prepared=True, gid=data.text())
    lsn, at, xid = data.take("!QqI")
    return Begin(lsn, _time(at), xid)


_NO_ROWS: Final = frozenset("OYMr")
_OPERATIONS: Final[dict[str, Operation]] = {
    "I": "INSERT",
    "U": "UPDATE",
    "D": "DELETE",
}


class _Reader:
    """The bytes of one message, from its beginning to its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def character(self) -> str:
        self._at += 1
        return chr(self._data[self._at - 1])

    def text(self) -> str:
        try:
            end = self._data.index(b"\0", self._at)
        except ValueError as error:
            raise IndexError from error
        found = self._data[self._at : end].decode()
        self._at = end + 1
        return found

    def row(self, columns: tuple[str, ...]) -> Row:
        (number,) = self.take("!H")
        row: Row = {}
        for name in columns[:number]:
            kind = self.character()
            if kind == "n":
                row[name] = None
            elif kind != "u":
                row[name] = self._value(kind)
        return row

    def _value(self, kind: str) -> str:
        (length,) = self.take("!I")
        value = self._data[self._at : self._at + length]
        if len(value) < length:
            raise IndexError
        self._at += length
        return value.decode() if kind == "t" else f"\\x{value.hex()}"


def _key(relation: Relation, row: Row | None) -> Row | None:
    if row is None:
        return None
    names = relation.key_columns
    return {name: value for name, value in row.items() if name in names} or None


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
