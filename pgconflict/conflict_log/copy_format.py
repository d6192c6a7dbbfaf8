"""Rows in the binary format of COPY.

asyncpg can write it too, a column at a time: 5.4 µs a row of 39 columns. Here what the
conflicts of a transaction share is put into bytes once: 1.9 to 2.7 µs.
Source: COPY, "Binary Format", and the types' receive functions; same on 15 to 19.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from pgconflict.conflict_log.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

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


class _Part:
    """Some columns of a row, in bytes; made again only where they differ."""

    def __init__(self, names: Sequence[str]) -> None:
        self.of = itemgetter(*map(COLUMNS.index, names))
        self.bytes = b""
        self.values: tuple[object, ...] | None = None
        self._encoders = [_ENCODERS[name] for name in names]

    def make(self, values: tuple[object, ...]) -> bytes:
        """Return these values' bytes."""
        self.values = values
        self.bytes = b"".join(map(_field, self._encoders, values))
        return self.bytes


_own_of: Final = itemgetter(*map(COLUMNS.index, _OWN))


async def encoded(rows: Sequence[Row]) -> AsyncIterator[bytes]:
    """Yield what COPY `COPY_COLUMNS` FROM STDIN (FORMAT binary) takes for the rows.

    In pieces: the server stores one while the next is made.
    """
    yield _HEADER
    parts = [_Part(names) for names in (_SHARED, _TRANSACTION, _ARRAYS, _TIMES)]
    for start in range(0, len(rows), _PIECE_ROWS):
        written: list[bytes] = []
        for row in rows[start : start + _PIECE_ROWS]:
            _add(written.append, row, parts)
        yield b"".join(written)
    yield _TRAILER


def _add(add: Callable[[bytes], object], row: Row, parts: Sequence[_Part]) -> None:
    add(_FIELDS)
    for part in parts:
        values = part.of(row)
        add(part.bytes if values == part.values else part.make(values))
    key, remote, detail, key_json, remote_json, line, identity = _own_of(row)
    add(_NULL if key is None else _text(key))
    add(_NULL if remote is None else _text(remote))
    add(_NULL if detail is None else _text(detail))
    add(_NULL if key_json is None else _jsonb(key_json))
    add(_NULL if remote_json is None else _jsonb(remote_json))
    add(_pack_bigint(8, line))
    add(_bytes(identity))


def _field(encode: Callable[[Any], bytes], value: object) -> bytes:
    return _NULL if value is None else encode(value)
