"""What a user sees of other people's values."""

from __future__ import annotations

import io
import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgconflict.cli import output

HOSTILE = "a\x1b[2J\r\x00\x7f\x9b\u202eb\u2028\ud800\n\t"


class Terminal(io.StringIO):
    """A terminal, as far as output asks."""

    def isatty(self) -> bool:
        return True


def printed(
    columns: list[str | output.Column],
    rows: list[tuple[object, ...]],
    stream: io.StringIO | None = None,
) -> str:
    stream = stream or io.StringIO()
    output.print_table(columns, rows, stream=stream)
    return stream.getvalue()


def test_a_table_is_aligned_by_cells_not_characters() -> None:
    table = printed(
        ["name", output.Column("count", "right"), "note"],
        [("日本", 7, None), ("e\u0301a", 1200, True), ("x", None, "")],
    )

    assert table == (
        "name  count  note\n日本      7  -\ne\u0301a     1200  yes\nx         -\n"
    )


def test_a_table_without_rows_has_its_titles() -> None:
    assert printed(["a", "b"], []) == "a  b\n"


def test_a_table_is_cut_to_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    rows: list[tuple[object, ...]] = [("short", "x" * 60)]

    assert printed(["a", "b"], rows, Terminal()).splitlines()[1] == (
        "short  " + "x" * 22 + "…"
    )
    assert "x" * 60 in printed(["a", "b"], rows)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=12), st.integers(1, 400))
def test_columns_fit_or_are_as_narrow_as_they_may_be(
    widths: list[int], terminal: int
) -> None:
    fitted = output.fit(widths, terminal)

    total = sum(fitted) + len(output.GAP) * (len(fitted) - 1)
    assert total <= terminal or max(fitted) <= output.NARROWEST
    assert all(new <= old for new, old in zip(fitted, widths, strict=True))


@given(st.text(), st.integers(1, 40))
def test_a_cut_text_takes_no_more_cells_than_given(text: str, cells: int) -> None:
    shown = output.visible(text)

    assert output.width(output.cut(shown, cells)) <= cells


@given(st.text(st.characters()))
def test_no_value_reaches_the_terminal_with_a_control_character(text: str) -> None:
    shown = output.as_text(text)

    assert output.visible(shown) == shown
    assert {unicodedata.category(character) for character in shown}.isdisjoint(
        {"Cc", "Cs", "Zl", "Zp"}
    )


def test_control_and_direction_characters_are_written_out() -> None:
    assert output.visible(HOSTILE) == (r"a\x1b[2J\r\x00\x7f\x9b\u202eb\u2028\ud800\n\t")
    assert "\x1b" not in printed([HOSTILE], [(HOSTILE,)], Terminal())


def test_values_as_text() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    assert output.as_text(when) == "2026-01-02 03:04:05.678+00:00"
    assert output.as_text(("a", None, 3)) == "a, -, 3"
    assert output.as_text([]) == "-"
    assert output.as_text(False) == "no"
    assert output.as_text(Decimal("1.10")) == "1.10"


def test_one_object_a_field_a_line() -> None:
    stream = io.StringIO()

    output.print_fields(
        [("id", 7), ("detail", "one\n\ttwo\x1b"), ("note", None)], stream=stream
    )

    assert stream.getvalue() == (
        "id      7\n"
        "detail  one\n"
        r"        \ttwo\x1b" + "\n"
        "note    -\n"
    )


@dataclass
class Point:
    x: int


class Row(msgspec.Struct):
    lsn: int
    at: datetime


def test_json_is_exact() -> None:
    value = {
        "big": 2**63 - 1,
        "numeric": Decimal("0.10000000000000000000001"),
        "text": 'é日"\\/',
        "hostile": HOSTILE.replace("\ud800", ""),
        "none": None,
        "struct": Row(1, datetime(2026, 1, 2, tzinfo=UTC)),
        "point": Point(3),
    }

    text = output.json_text(value)

    assert output.visible(text) == text
    assert json.loads(text) == {
        "big": 9223372036854775807,
        "numeric": "0.10000000000000000000001",
        "text": 'é日"\\/',
        "hostile": HOSTILE.replace("\ud800", ""),
        "none": None,
        "struct": {"lsn": 1, "at": "2026-01-02T00:00:00Z"},
        "point": {"x": 3},
    }


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_any_text_survives_json_and_is_safe_to_print(value: dict[str, str]) -> None:
    text = output.json_text(value)

    assert output.visible(text) == text
    assert json.loads(text) == value


def test_a_document_and_lines() -> None:
    stream = io.StringIO()

    output.print_json([{"a": 1}], stream=stream)
    output.print_json_line({"a": 1}, stream=stream)

    assert stream.getvalue() == '[\n  {\n    "a": 1\n  }\n]\n{"a":1}\n'


def test_progress_is_shown_on_a_terminal_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()

    with output.Progress("scan x\x1b.log", 4 << 20, stream=stream) as progress:
        progress.advance(1 << 20)

    shown, rest = stream.getvalue().split("\x1b[K", 1)
    assert shown.startswith("\rscan x\\x1b.log 1 MB of 4 MB 25 %")
    assert len(shown) <= 40
    assert rest == "\r\x1b[K\r"


def test_progress_is_silent_elsewhere() -> None:
    stream = io.StringIO()

    with output.Progress("scan", stream=stream) as progress:
        progress.advance(1 << 20)

    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 kB"),
        (1536, "1.5 kB"),
        (10 * 2**30, "10 GB"),
        (5000 * 2**40, "5000 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert output.size(count) == text
