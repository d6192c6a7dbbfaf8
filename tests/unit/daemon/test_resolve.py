"""What the catalogs add to an entry: names, and values where only one way fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pgconflict.core.row_text import Column, split_key, split_values
from pgconflict.core.type_shapes import VIRTUAL
from pgconflict.daemon.resolve import TableRows, resolve
from pgconflict.server.catalog import Subscription, Table
from tests.fixtures.entries import entry

AT = datetime(2026, 11, 20, 12, 0, 0, 123000, tzinfo=UTC)
COLUMNS = (Column("id", "integer"), Column("v", "text"), Column("b", "boolean"))
SUBSCRIPTION = Subscription(
    subid=16400, name="s", database="app", enabled=True, slot_name="s"
)
TYPES = ["integer", "text", "boolean", "numeric", "jsonb", "int4range", "text[]", "odd"]
PIECES = [
    "1",
    "null",
    "t",
    "a",
    "a, b",
    "",
    "...",
    ") = (",
    "x" * 70,
    "é" * 40,
    "[1,2)",
]


def table(**more: Any) -> TableRows:
    plain: dict[str, Any] = {
        "relid": 1,
        "schemaname": "public",
        "relname": "t",
        "columns": COLUMNS,
        "may_be_unsent": frozenset(),
        "since": None,
        "made": None,
    }
    return TableRows(Table(**(plain | more)))


def conflict(**more: Any) -> Any:
    return msgspec.structs.replace(entry().conflict, log_time=AT, **more)


def test_rows_and_keys_are_taken_apart() -> None:
    found = resolve(
        conflict(
            replica_identity_text="(id)=(1)",
            replica_identity_full=False,
            remote_tuple_text="(1, null, t)",
        ),
        SUBSCRIPTION,
        table(),
    )

    assert found.replica_identity == {"id": "1"}
    assert found.remote_tuple == {"id": "1", "v": "null", "b": "t"}
    assert (found.database, found.subname, found.relid) == ("app", "s", 1)
    assert (found.schemaname, found.relname) == ("public", "t")


def test_columns_that_changed_since_cut_nothing() -> None:
    later = table(since=AT + timedelta(seconds=1))

    found = resolve(conflict(remote_tuple_text="(1, a, t)"), SUBSCRIPTION, later)

    assert (found.relid, found.remote_tuple) == (1, None)


def test_the_log_s_time_is_cut_to_milliseconds() -> None:
    same_moment = table(since=AT + timedelta(microseconds=999), made=AT)

    found = resolve(conflict(remote_tuple_text="(1, a, t)"), SUBSCRIPTION, same_moment)

    assert found.remote_tuple is not None


def test_a_table_made_since_is_another() -> None:
    made = AT + timedelta(seconds=1)

    found = resolve(conflict(), SUBSCRIPTION, table(made=made, since=made))

    assert (found.database, found.relid, found.schemaname) == ("app", None, None)


def test_a_subscription_that_is_gone_keeps_the_name_that_the_log_gave() -> None:
    found = resolve(conflict(subname="gone"), None, None)

    assert (found.subname, found.database) == ("gone", None)


def test_cut_values_are_named_in_the_table_s_order() -> None:
    text = f"(1, {'x' * 64}..., t)"

    found = resolve(conflict(remote_tuple_text=text), SUBSCRIPTION, table())

    assert found.truncated_columns == ("v",)


@given(
    types=st.lists(st.sampled_from(TYPES), min_size=1, max_size=4),
    pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=5),
)
def test_the_short_way_through_a_row_says_what_the_long_one_says(
    types: list[str], pieces: list[str]
) -> None:
    columns = tuple(Column(f"c{n}", type_) for n, type_ in enumerate(types))
    text = f"({', '.join(pieces)})"
    cut: set[str] = set()

    found = table(columns=columns).row(text, cut)

    expected = split_values(text, columns)
    assert found == (expected.values if expected else None)
    assert cut == (expected.truncated if expected else set())


@given(
    type_=st.sampled_from(TYPES),
    name=st.sampled_from(["c0", "lower(c0)", '"c0"', "c0, c1", "other"]),
    value=st.sampled_from(PIECES),
)
def test_the_short_way_through_a_key_says_what_the_long_one_says(
    type_: str, name: str, value: str
) -> None:
    columns = (Column("c0", type_), Column("c1", "text"))
    text = f"({name})=({value})"

    assert table(columns=columns).key(text) == split_key(text, columns)


def test_what_an_update_may_not_have_sent_is_not_said_to_be_null() -> None:
    """An unchanged TOASTed value, or a generated one: the server shows null."""
    columns = (Column("id", "integer"), Column("big", "text"), Column("a", "integer[]"))
    rows = table(columns=columns, may_be_unsent=frozenset({"big", "a"}))
    shown = {"remote_tuple_text": "(1, null, null)"}

    sent = resolve(conflict(operation="INSERT", **shown), SUBSCRIPTION, rows)
    unsure = resolve(conflict(operation="UPDATE", **shown), SUBSCRIPTION, rows)

    assert sent.remote_tuple == {"id": "1", "big": "null", "a": None}
    assert unsure.remote_tuple == {"id": "1"}


def test_a_virtual_column_has_no_value_and_helps_to_cut() -> None:
    columns = (Column("a", "text"), Column("v", VIRTUAL), Column("n", "integer"))

    found = table(columns=columns).row("(x, 5, y, virtual, 7)", set())

    assert found == {"a": "x, 5, y", "n": "7"}


def test_values_that_look_like_words_of_the_log_are_told_by_the_columns() -> None:
    """The log alone has two readings of this, the table's columns one."""
    detail = (
        "Could not find the row to be updated.\n"
        "Remote row (1, a); replica identity (id)=(2, t); replica identity (id)=(1)."
    )
    logged = conflict(
        conflict_type="update_missing",
        operation="UPDATE",
        detail=detail,
        remote_tuple_text=None,
        replica_identity_text=None,
    )

    found = table().resplit(logged)
    later = table(since=AT + timedelta(seconds=1)).resplit(logged)

    assert found.remote_tuple_text == "(1, a); replica identity (id)=(2, t)"
    assert found.replica_identity_text == "(id)=(1)"
    assert found.identity == logged.identity
    assert later is logged


def test_values_are_counted_in_the_bytes_of_their_database() -> None:
    """40 letters are 40 bytes of LATIN1, which the server does not cut."""
    text = f"(1, {'é' * 40}, t)"
    latin = replace(table().table, codec="iso8859-1")

    assert TableRows(latin, "iso8859-1").row(text, set()) == {
        "id": "1",
        "v": "é" * 40,
        "b": "t",
    }
    assert table().row(text, set()) is None


def test_bytes_that_could_not_be_read_are_not_cut() -> None:
    latin = replace(table().table, codec="iso8859-1")

    assert TableRows(latin).row("(1, caf\\xe9, t)", set()) is None
    assert TableRows(latin).key("(v)=(caf\\xe9)") is None
    assert TableRows(latin).key("(v)=(cafe)") == {"v": "cafe"}
