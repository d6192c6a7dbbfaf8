"""Rows and keys taken apart: right, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgconflict.core.row_text import Column, split_key, split_values

ID = Column("id", "integer")
TEXT = Column("v", "text")

integers = st.integers(-(10**9), 10**9).map(str)
texts = st.text(st.sampled_from("ab1, ();\"'{}[]é\n."), max_size=30)
booleans = st.sampled_from(["t", "f"])
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=2).map(
    lambda number: f"{number:f}"
)
uuids = st.uuids().map(str)
times = st.sampled_from(
    ["2026-11-20 17:29:27.5+00", "-infinity", "20.11.2026 17:29 CET"]
)
documents = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
arrays = st.lists(st.text(st.sampled_from('ab,"={} \\'), max_size=4), max_size=3).map(
    lambda items: (
        "{"
        + ",".join(
            '"' + i.replace("\\", "\\\\").replace('"', '\\"') + '"' for i in items
        )
        + "}"
    )
)
TYPES = {
    "integer": integers,
    "text": texts,
    "boolean": booleans,
    "numeric(12,2)": numbers,
    "uuid": uuids,
    "timestamp with time zone": times,
    "text[]": arrays,
}


def shown(value: str | None) -> str:
    if value is None:
        return "null"
    raw = value.encode()
    return value if len(raw) <= 64 else raw[:64].decode(errors="ignore") + "..."


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[Column], list[str | None]]:
    types = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=6))
    columns = [Column(f"c{number}", each) for number, each in enumerate(types)]
    values = [draw(st.none() | TYPES[each]) for each in types]
    return columns, values


@settings(max_examples=500, deadline=None)
@given(rows())
def test_a_row_is_split_rightly_or_not_at_all(
    row: tuple[list[Column], list[str | None]],
) -> None:
    columns, values = row
    text = f"({', '.join(map(shown, values))})"

    found = split_values(text, columns)

    if found is None:
        assert any(", " in shown(value) for value in values)
        return
    for column, value in zip(columns, values, strict=True):
        known = found.values[column.name]
        if value is None:
            assert known is None or (known == "null" and column.type == "text")
        else:
            assert known == shown(value)
        if value is not None and shown(value) != value:
            assert column.name in found.truncated


def test_the_type_tells_where_a_comma_belongs() -> None:
    columns = [ID, TEXT, Column("n", "numeric")]

    found = split_values("(1, a, b, 5.0)", columns)

    assert found is not None
    assert found.values == {"id": "1", "v": "a, b", "n": "5.0"}


def test_two_ways_are_no_way() -> None:
    assert split_values("(a, b, c)", [TEXT, Column("w", "text")]) is None


def test_json_and_arrays_keep_their_commas() -> None:
    columns = [Column("j", "jsonb"), Column("a", "text[]"), TEXT]
    text = '({"k": [1, 2], "t": "); remote row ("}, {"a, b",NULL}, x)'

    found = split_values(text, columns)

    assert found is not None
    assert found.values == {
        "j": '{"k": [1, 2], "t": "); remote row ("}',
        "a": '{"a, b",NULL}',
        "v": "x",
    }


def test_a_cut_value_is_marked() -> None:
    found = split_values(f"(1, {'x' * 64}...)", [ID, TEXT])

    assert found is not None
    assert found.truncated == {"v"}
    assert found.values["v"] == "x" * 64 + "..."


def test_a_whole_value_that_ends_in_dots_is_not_marked() -> None:
    found = split_values("(1, and so on...)", [ID, TEXT])

    assert found is not None
    assert found.truncated == frozenset()


@pytest.mark.parametrize(
    ("type_name", "value"),
    [("integer", None), ("text", "null"), ("jsonb", "null"), ("text[]", None)],
)
def test_null_is_null_only_where_it_is_certain(
    type_name: str, value: str | None
) -> None:
    found = split_values("(null)", [Column("c", type_name)])

    assert found is not None
    assert found.values == {"c": value}


def test_hidden_columns_are_named_by_the_text() -> None:
    columns = [ID, Column("secret", "text"), TEXT, Column("w", "text")]

    found = split_values("(id, v) = (2, v2)", columns)

    assert found is not None
    assert found.values == {"id": "2", "v": "v2"}


def test_a_row_that_looks_like_named_columns_is_ambiguous() -> None:
    columns = [Column("a", "text")]

    assert split_values("(a) = (b)", columns) is None


@pytest.mark.parametrize("text", ["", "(", ")", "1, 2", "(1", "()"])
def test_what_is_no_row_is_not_split(text: str) -> None:
    assert split_values(text, [ID, TEXT]) is None
    assert split_key(text) is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("(id)=(1)", {"id": "1"}),
        ("(region, id)=(eu, 1)", {"region": "eu", "id": "1"}),
        ("(lower(email))=(bob@x.org)", {"lower(email)": "bob@x.org"}),
        ('("v,=(al)")=(dup)=(x, y)', {"v,=(al)": "dup)=(x, y"}),
        ('("Id. ""k""")=(1)', {'Id. "k"': "1"}),
        ("((a || ', '::text), b)=(1, 2)", {"(a || ', '::text)": "1", "b": "2"}),
        ("(k)=(z\n2026 LOG:  x, ); y)", {"k": "z\n2026 LOG:  x, ); y"}),
        ("(a, b)=(1, 2, 3)", None),
        ("(a, a)=(1, 2)", None),
        ("(a=(1)", None),
    ],
)
def test_keys(text: str, values: dict[str, str | None] | None) -> None:
    assert split_key(text) == values


def test_types_make_a_key_unambiguous() -> None:
    columns = [ID, Column("k", "text")]

    assert split_key("(id, k)=(1, ; remote row (9, x))", columns) == {
        "id": "1",
        "k": "; remote row (9, x)",
    }


def test_a_hostile_row_costs_little() -> None:
    columns = [Column(f"c{number}", "text") for number in range(1600)]

    assert split_values(f"({', '.join(['a'] * 50_000)})", columns) is None
