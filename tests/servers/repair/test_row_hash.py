"""The hash that `conflicts verify` tells rows apart by."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from pgconflict.server.row_hash import row_hash

if TYPE_CHECKING:
    from tests.fixtures.servers import Pair

KNOWN = [-6153169149482678227, -1901837386397617331]


def hashes(pair: Pair, *rows: str, names: str = "a, b") -> list[int]:
    """The hash of each row, written as VALUES has it."""
    columns = names.split(", ")
    statement = sql.SQL(
        f"select {{}} from (values {', '.join(rows)}) with_place ({names}), lateral"
        f" (select {names}) t"
    ).format(row_hash(columns, ()))
    with pair.a.connect() as connection:
        return [row[0] for row in connection.execute(statement).fetchall()]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(null::text, 'x')", "('', 'x')"),
        ("('x', null::text)", "('x', '')"),
        ("('x', null::text)", "(null, 'x')"),
        ("('ab', 'c')", "('a', 'bc')"),
        ("('a', 'b')", "('b', 'a')"),
        ("(1.0, 'x')", "(1.00, 'x')"),
    ],
)
def test_other_values_have_another_hash(pair: Pair, one: str, other: str) -> None:
    first, second = hashes(pair, one)[0], hashes(pair, other)[0]

    assert first != second
    assert hashes(pair, one) == [first]


def test_a_composite_of_nulls_is_not_null(pair: Pair) -> None:
    pair.a.execute("create type both_null as (x int, y int)")
    try:
        found = hashes(
            pair, "(row(null, null)::both_null, 1)", "(null, 1)", "('(,)', 1)"
        )
    finally:
        pair.a.execute("drop type both_null")

    assert found[0] == found[2] != found[1]


def test_rows_that_exchanged_values_have_another_sum(pair: Pair) -> None:
    as_they_were = hashes(pair, "(1, 'x')", "(2, 'y')")
    exchanged = hashes(pair, "(1, 'y')", "(2, 'x')")

    assert sum(as_they_were) != sum(exchanged)


@pytest.mark.skipif(sys.byteorder != "little", reason="hashes are by byte order")
def test_every_version_has_the_same_hash(pair: Pair) -> None:
    assert hashes(pair, "('x', 'y')", "(null, '')") == KNOWN


@pytest.mark.majors(15, 19)
def test_as_many_columns_as_a_table_may_have(pair: Pair) -> None:
    names = [f"c{number}" for number in range(1600)]
    pair.a.execute(f"create table wide ({', '.join(f'{name} bool' for name in names)})")
    try:
        pair.a.execute("insert into wide default values")
        statement = sql.SQL("select {} from wide t").format(row_hash(names, ()))
        with pair.a.connect() as connection:
            before = connection.execute(statement).fetchone()
            connection.execute("update wide set c1599 = true")
            after = connection.execute(statement).fetchone()
    finally:
        pair.a.execute("drop table wide")

    assert before != after
