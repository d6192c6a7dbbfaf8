"""Messages of pgoutput as bytes; real ones are read in tests/servers/subscriptions."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgconflict.core import transaction
from pgconflict.core.pgoutput import Change, Decoder, Relation
from pgconflict.core.transaction import TransactionReader

BEGIN = b"B" + struct.pack("!QqI", 0x1924A60, 1_000_000, 727)
COMMIT = b"C" + struct.pack("!BQQq", 0, 0x1924A60, 0x1924A90, 1_000_000)


def relation(*columns: tuple[str, bool], relid: int = 9) -> bytes:
    text = b"R" + struct.pack("!I", relid) + b"shop\0orders\0d"
    text += struct.pack("!H", len(columns))
    for name, key in columns:
        text += (
            struct.pack("!B", key) + name.encode() + b"\0" + struct.pack("!Ii", 25, 0)
        )
    return text


def row(*values: str | bytes | None) -> bytes:
    """A text, None for null, b"u" for a value that did not change."""
    text = struct.pack("!H", len(values))
    for value in values:
        if value is None:
            text += b"n"
        elif isinstance(value, bytes):
            text += value
        else:
            data = value.encode()
            text += b"t" + struct.pack("!I", len(data)) + data
    return text


def change(kind: bytes, *parts: bytes, relid: int = 9) -> bytes:
    return kind + struct.pack("!I", relid) + b"".join(parts)


def test_keys_come_from_the_replica_identity() -> None:
    decoder = Decoder()
    decoder.decode(relation(("id", True), ("v", False)))

    insert = decoder.decode(change(b"I", b"N", row("1", "é")))
    update = decoder.decode(change(b"U", b"N", row("1", b"u")))
    moved = decoder.decode(change(b"U", b"K", row("1", None), b"N", row("2", "x")))
    delete = decoder.decode(change(b"D", b"K", row("2", None)))

    assert insert == Change(
        "INSERT", "shop", "orders", {"id": "1"}, {"id": "1", "v": "é"}
    )
    assert update == Change("UPDATE", "shop", "orders", {"id": "1"}, {"id": "1"})
    assert moved == Change(
        "UPDATE", "shop", "orders", {"id": "1"}, {"id": "2", "v": "x"}
    )
    assert delete == Change("DELETE", "shop", "orders", {"id": "2"}, None)


def test_a_table_without_key_has_none() -> None:
    decoder = Decoder()
    decoder.decode(relation(("v", False)))

    insert = decoder.decode(change(b"I", b"N", row("x")))

    assert isinstance(insert, Change)
    assert insert.key is None


def test_transactions_are_put_together() -> None:
    reader = TransactionReader()

    reader.read(
        [
            BEGIN,
            b"O" + struct.pack("!Q", 5) + b"origin\0",
            relation(("id", True)),
            change(b"I", b"N", row("1")),
            change(b"I", b"N", row("2")),
            change(b"D", b"K", row("1")),
            b"T" + struct.pack("!IBI", 1, 0, 9),
            COMMIT,
        ]
    )

    (found,) = reader.transactions
    assert (found.xid, found.lsn, found.end_lsn) == (727, 0x1924A60, 0x1924A90)
    assert found.commit_ts == datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert [(one.operation, one.number) for one in found.tables] == [
        ("DELETE", 1), ("INSERT", 2), ("TRUNCATE", 1),
    ]  # fmt: skip
    assert found.number == len(found.changes) == 4
    assert found.complete


def test_more_changes_than_are_kept_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transaction, "MOST_CHANGES", 3)
    reader = TransactionReader()

    reader.read([BEGIN, relation(("id", True))])
    reader.read(change(b"I", b"N", row(str(number))) for number in range(10))
    reader.read([COMMIT])

    (found,) = reader.transactions
    assert found.number == 10
    assert len(found.changes) == 3
    assert not found.complete


def test_what_was_applied_is_counted_and_not_kept() -> None:
    reader = TransactionReader(keep_after=0x1924A60 + 1)

    reader.read([BEGIN, relation(("id", True)), change(b"I", b"N", row("1")), COMMIT])

    (found,) = reader.transactions
    assert (found.number, found.changes) == (1, ())


@pytest.mark.parametrize(
    "data", [b"", b"?", b"B", BEGIN[:-1], b"R\0\0\0\1a", change(b"I", b"N", row("1"))]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="pgoutput"):
        Decoder().decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    decoder = Decoder()
    decoder.decode(relation(("id", True)))
    try:
        message = decoder.decode(data)
    except ValueError:
        return
    assert not isinstance(message, Relation) or message.relname is not None
