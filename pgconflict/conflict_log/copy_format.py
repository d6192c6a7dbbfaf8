"""Rows in the binary format of COPY.

asyncpg can write it too, a column at a time: 5.4 µs a row of 39 columns, which must be
put together first. Here what the conflicts of a transaction share is put into bytes
once, and most rows are never put together: 1.9 µs from the entry to its bytes.
Source: COPY, "Binary Format", and the types' receive functions; same on 15 to 19.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import astuple

from pgconflict.conflict_log.rows import COLUMNS, json_of, row_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from pgconflict.conflict_log.entry import Node, Recorded
    from pgconflict.conflict_log.rows import Row

_HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)
_TRAILER: Final = struct.pack("!h", -1)
_NULL: Final = struct.pack("!i", -1)
_FIELDS: Final = struct.pack("!h", len(COLUMNS))
_TEXT_OID: Final = 25
_JSONB_OID: Final = 3802
_PIECE_ROWS: Final = 100
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# A look into a list costs a third of struct.pack.
_LENGTHS: Final = [struct.pack("!i", length) for length in range(2048)]
_pack_length: Final = struct.Struct("!i").pack
_pack_bigint: Final = struct.Struct("!iq").pack


def _length(length: int) -> bytes:
    return _LENGTHS[length] if length < len(_LENGTHS) else _pack_length(length)


def _text(value: str) -> bytes:
    raw = value.encode()
    return _length(len(raw)) + raw


def _jsonb(value: str) -> bytes:
    raw = value.encode()
    return _length(len(raw) + 1) + b"\1" + raw


def _boolean(value: bool) -> bytes:  # noqa: FBT001 - a column's value
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def _oid(value: int) -> bytes:
    return struct.pack("!iI", 4, value)


def _integer(value: int) -> bytes:
    return struct.pack("!ii", 4, value)


def _bigint(value: int) -> bytes:
    return _pack_bigint(8, value)


def _lsn(value: int) -> bytes:
    return struct.pack("!iQ", 8, value)


def _time(value: datetime) -> bytes:
    return _pack_bigint(8, (value - _EPOCH) // _MICROSECOND)


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _array(oid: int, encoded: Sequence[bytes]) -> bytes:
    if not encoded:
        body = struct.pack("!iii", 0, 0, oid)
    else:
        has_nulls = _NULL in encoded
        body = struct.pack("!iiiii", 1, has_nulls, oid, len(encoded), 1)
        body += b"".join(encoded)
    return _length(len(body)) + body


def _texts(values: Sequence[str]) -> bytes:
    return _array(_TEXT_OID, [_text(value) for value in values])


def _jsonbs(values: Sequence[str]) -> bytes:
    return _array(_JSONB_OID, [_jsonb(value) for value in values])


_ENCODERS: Final[dict[str, Callable[[Any], bytes]]] = {
    **dict.fromkeys(COLUMNS, _text),
    "stalls": _boolean,
    "subid": _oid,
    "index_names": _texts,
    "remote_xid": _bigint,
    "remote_commit_lsn": _lsn,
    "replica_identity_full": _boolean,
    "local_conflicts": _jsonbs,
    "first_logged_at": _time,
    "pid": _integer,
    "line_num": _bigint,
    "identity": _bytes,
    "last_logged_at": _time,
    "status_at": _time,
    "system_identifier": _bigint,
    "relid": _oid,
    "remote_commit_ts": _time,
    "replica_identity": _jsonb,
    "remote_tuple": _jsonb,
    "truncated_columns": _texts,
}

# What changes with the remote transaction, and what with each conflict; what is left
# is the same for all that one worker logs of one type about one table.
_TRANSACTION: Final = (
    "remote_xid",
    "remote_commit_lsn",
    "remote_commit_ts",
    "context",
)
_OWN: Final = (
    "replica_identity_text",
    "remote_tuple_text",
    "detail",
    "replica_identity",
    "remote_tuple",
    "line_num",
    "identity",
)
_ARRAYS: Final = ("local_conflicts", "truncated_columns")
_TIMES: Final = ("first_logged_at", "last_logged_at", "status_at")
_SHARED: Final = tuple(
    name for name in COLUMNS if name not in (*_TRANSACTION, *_OWN, *_ARRAYS, *_TIMES)
)
COPY_COLUMNS: Final = (*_SHARED, *_TRANSACTION, *_ARRAYS, *_TIMES, *_OWN)
"""The order in which `encoded` writes the columns."""


# The fields of Conflict that these columns, and those above, are made of.
_SAID: Final = COLUMNS[:28]
_shared_of: Final = itemgetter(
    *(place for place, name in enumerate(_SAID) if name in _SHARED)
)
_transaction_of: Final = itemgetter(
    *(place for place, name in enumerate(_SAID) if name in _TRANSACTION)
)


class _Part:
    """Some columns of a row, in bytes."""

    def __init__(self, names: Sequence[str]) -> None:
        self._of = itemgetter(*map(COLUMNS.index, names))
        self._encoders = [_ENCODERS[name] for name in names]

    def bytes_of(self, row: Row) -> bytes:
        """The columns of this row."""
        return b"".join(map(_field, self._encoders, self._of(row)))


_PARTS: Final = {
    names: _Part(names) for names in (_SHARED, _TRANSACTION, _ARRAYS, _TIMES)
}
_NO_ARRAYS: Final = _jsonbs(()) + _texts(())


async def encoded(node: Node, entries: Sequence[Recorded]) -> AsyncIterator[bytes]:
    """Yield what COPY `COPY_COLUMNS` FROM STDIN (FORMAT binary) takes for entries.

    In pieces: the server stores one while the next is made.
    """
    yield _HEADER
    rows = _Rows(node)
    for start in range(0, len(entries), _PIECE_ROWS):
        for entry in entries[start : start + _PIECE_ROWS]:
            rows.add(entry)
        yield rows.take()
    yield _TRAILER


class _Rows:
    """Puts rows into bytes; what is as in the row before is not made again."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._written: list[bytes] = []
        self._shared = self._transaction = self._times = b""
        self._shared_key: object = None
        self._transaction_key: object = None
        self._time: object = None

    def take(self) -> bytes:
        """The rows added since the last time."""
        written = b"".join(self._written)
        self._written.clear()
        return written

    def add(self, recorded: Recorded) -> None:
        """Put one row into bytes."""
        # In one piece: each call would cost a twentieth of all that is done here.
        entry, names = recorded.conflict, recorded.resolution
        said = astuple(entry)
        add = self._written.append
        add(_FIELDS)
        shared_key = (
            _shared_of(said),
            names.subname,
            names.schemaname,
            names.relname,
            names.database,
            names.relid,
        )
        if shared_key != self._shared_key:
            self._shared = self._made(_SHARED, recorded)
            self._shared_key = shared_key
        transaction_key = (_transaction_of(said), names.remote_commit_ts)
        if transaction_key != self._transaction_key:
            self._transaction = self._made(_TRANSACTION, recorded)
            self._transaction_key = transaction_key
        add(self._shared)
        add(self._transaction)
        if names.local_conflicts or entry.local_conflicts or names.truncated_columns:
            add(self._made(_ARRAYS, recorded))
        else:
            add(_NO_ARRAYS)
        if entry.log_time is not self._time:
            self._times = self._made(_TIMES, recorded)
            self._time = entry.log_time
        add(self._times)
        for text in (
            entry.replica_identity_text,
            entry.remote_tuple_text,
            entry.detail,
        ):
            add(_NULL if text is None else _text(text))
        for values in (names.replica_identity, names.remote_tuple):
            if values is None:
                add(_NULL)
            else:
                json = json_of(values)
                add(_length(len(json) + 1))
                add(b"\1")
                add(json)
        add(_pack_bigint(8, entry.line_num))
        add(_bytes(entry.identity))

    def _made(self, names: tuple[str, ...], recorded: Recorded) -> bytes:
        return _PARTS[names].bytes_of(row_of(self._node, recorded))


def _field(encode: Callable[[Any], bytes], value: object) -> bytes:
    return _NULL if value is None else encode(value)
