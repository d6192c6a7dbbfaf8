"""What is taken apart at once is what the careful way makes of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pgconflict.core.plain_rows import PlainRows
from pgconflict.core.row_text import Column, split_key, split_values

TYPES = (
    *("boolean", "integer", "numeric(10,2)", "uuid", "date", "inet", "bytea"),
    *("timestamp with time zone", "text", "character varying(9)", "shop.mood"),
    *("jsonb", "integer[]", "int4range"),
)
values = st.one_of(
    st.sampled_from(["null", "t", "-7", "1.50", "NaN", "", "2026-11-20", "\\x61"]),
    st.sampled_from(["20.11.2026 17:29 CET", "a=(1)", ") = (", "...", "x" * 64]),
    st.sampled_from(["00000000-0000-0000-0000-000000000000", "{1}", "[1,2)", "é"]),
    st.text(st.sampled_from("ab1,. ()=\"'{}\n"), max_size=6),
    st.just("y" * 65),
)
names = st.sampled_from(["id", "v", "w", "the id", "lower(v)"])


@st.composite
def tables(draw: st.DrawFn) -> list[Column]:
    found = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    return [Column(name, draw(st.sampled_from(TYPES))) for name in found]


@given(tables(), st.data())
def test_rows_are_those_of_the_careful_way(
    columns: list[Column], data: st.DataObject
) -> None:
    pieces = data.draw(
        st.lists(values, min_size=len(columns), max_size=len(columns) + 1)
    )
    text = "(" + ", ".join(pieces) + ")"

    found = PlainRows(columns).row(text)

    if found is not None:
        careful = split_values(text, columns)
        assert careful is not None
        assert (found, frozenset()) == (careful.values, careful.truncated)


@given(tables(), names, values)
def test_keys_are_those_of_the_careful_way(
    columns: list[Column], name: str, value: str
) -> None:
    text = f"({name})=({value})"

    found = PlainRows(columns).key(text)

    if found is not None:
        assert found == split_key(text, columns)


def test_a_row_as_most_are() -> None:
    rows = PlainRows(
        [
            Column("id", "integer"),
            Column("who", "text"),
            Column("paid", "numeric(10,2)"),
            Column("at", "timestamp with time zone"),
        ]
    )

    assert rows.row("(7, null, null, 2026-11-20 22:17:10.1+00)") == {
        "id": "7",
        "who": "null",
        "paid": None,
        "at": "2026-11-20 22:17:10.1+00",
    }
    assert rows.key("(id)=(7)") == {"id": "7"}
    assert rows.row("(7, a, b, 1, 2026-11-20)") is None
    assert rows.row("(7, a..., 1, 2026-11-20)") is None


def test_a_value_that_may_be_cut_is_left_to_the_careful_way() -> None:
    rows = PlainRows([Column("v", "text")])

    assert rows.row(f"({'x' * 64})") == {"v": "x" * 64}
    assert rows.row(f"({'x' * 65})") is None


def test_a_type_with_commas_is_left_to_the_careful_way() -> None:
    assert PlainRows([Column("v", "integer[]")]).row("({1,2})") is None
