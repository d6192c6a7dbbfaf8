"""Rows and keys as DETAIL shows them, taken apart where one way of doing so fits.

Values stand there as their types print them, unquoted, joined by a comma and a blank,
which they can hold too. With the columns and their types known there is usually one
way to cut them; otherwise the answer is None, never a guess. A row's value is cut
after 64 bytes and marked `...`; a key's is not.
Source: build_tuple_value_details(), conflict.c; BuildIndexValueDescription(), 15 to 19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pgconflict.core.encodings import UTF_8
from pgconflict.core.type_shapes import VIRTUAL, Shape, can_be_text_null, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.conflict import Values

_SHOWN_BYTES: Final = 64
_CUT: Final = "..."
_WORK: Final = 1 << 20  # steps; a row of 1600 columns with one way to cut it needs few


class Column(NamedTuple):
    """A table's column: its name and its type as format_type() writes it.

    A virtual generated column has the type VIRTUAL: the server shows no value of it.
    """

    name: str
    type: str


class SplitValues(NamedTuple):
    """Column -> text as printed. In `truncated` the text is only the beginning.

    Virtual generated columns are not in it.

    None stands for a null that can't be the text `null`; in a column that can hold
    that text (character types, json, types not known) it is the text `null`.
    """

    values: Values
    truncated: frozenset[str]


def split_values(
    text: str | None, columns: Sequence[Column], codec: str = UTF_8
) -> SplitValues | None:
    """The row `(1, a)`, or `(id, v) = (1, a)` where columns are hidden.

    `columns`: all of the table, in their order, without dropped ones. `codec`: the
    database's, whose bytes the server counts.

    >>> split_values("(1, a, b)", [Column("id", "integer"), Column("v", "text")])
    SplitValues(values={'id': '1', 'v': 'a, b'}, truncated=frozenset())
    """
    if not text or not text.startswith("(") or not text.endswith(")"):
        return None
    whole = _cuts(text[1:-1], columns, codec)
    found = [(columns, whole)] if whole else []
    at = text.find(") = (")
    while at >= 0:
        named = _named(text[1:at], columns)
        if named is not None:
            ways = _cuts(text[at + 5 : -1], named, codec)
            if ways:
                found.append((named, ways))
        at = text.find(") = (", at + 1)
    if len(found) != 1 or len(found[0][1]) != 1:
        return None
    shown, [pieces] = found[0]
    values: Values = {}
    truncated = set()
    for column, piece in zip(shown, pieces, strict=True):
        if column.type == VIRTUAL:
            continue
        null = piece == "null" and not can_be_text_null(column.type)
        values[column.name] = None if null else piece
        if _is_cut(piece, codec):
            truncated.add(column.name)
    return SplitValues(values, frozenset(truncated))


def split_key(
    text: str | None, columns: Sequence[Column] | None = None
) -> Values | None:
    """The key `(id, lower(v))=(1, a)`: column or expression -> text.

    Without `columns` a value of several with a comma and a blank in it makes the
    key ambiguous, and `null` is the text `null`.

    >>> split_key('("the id")=(a, b)')
    {'the id': 'a, b'}
    >>> split_key("(a, b)=(1, 2, 3)") is None
    True
    """
    if not text or not text.startswith("(") or not text.endswith(")"):
        return None
    names, begin = _key_columns(text)
    if not names or text[begin : begin + 3] != ")=(":
        return None
    types = {column.name: column.type for column in columns or ()}
    # An expression's type is not known.
    shown = [Column(name, types.get(name, "")) for name in names]
    if len({column.name for column in shown}) != len(shown):
        return None
    ways = _cuts(text[begin + 3 : -1], shown, None)
    if len(ways) != 1:
        return None
    return {
        column.name: None
        if piece == "null" and column.type and not can_be_text_null(column.type)
        else piece
        for column, piece in zip(shown, ways[0], strict=True)
    }


def can_be_row(text: str, columns: Sequence[Column], codec: str = UTF_8) -> bool:
    """Whether the text can be a row of these columns, in however many ways."""
    if not text.startswith("(") or not text.endswith(")"):
        return False
    if _cuts(text[1:-1], columns, codec):
        return True
    at = text.find(") = (")
    while at >= 0:
        named = _named(text[1:at], columns)
        if named is not None and _cuts(text[at + 5 : -1], named, codec):
            return True
        at = text.find(") = (", at + 1)
    return False


def can_be_key(text: str, columns: Sequence[Column]) -> bool:
    """Whether the text can be a key of a table with these columns.

    A name that is no column's must be an expression, and those have parentheses,
    an operator or a quote.
    """
    if not text.startswith("(") or not text.endswith(")"):
        return False
    names, begin = _key_columns(text)
    types = {column.name: column.type for column in columns}
    if text[begin : begin + 3] != ")=(" or not names:
        return False
    if any(name.isidentifier() and name not in types for name in names):
        return False
    shown = [Column(name, types.get(name, "")) for name in names]
    return bool(_cuts(text[begin + 3 : -1], shown, None))


def _key_columns(text: str) -> tuple[list[str], int]:
    """The names or expressions of a key, unquoted, and where the list ends."""
    names: list[str] = []
    start, at, depth = 1, 1, 0
    while at < len(text):
        letter = text[at]
        if letter in "\"'":
            at = text.find(letter, at + 1)
            if at < 0:
                return [], 0
        elif letter in "([":
            depth += 1
        elif letter in ")]" and depth:
            depth -= 1
        elif letter == ")":
            names.append(text[start:at])
            return [_unquoted(name) for name in names], at
        elif depth == 0 and text.startswith(", ", at):
            names.append(text[start:at])
            start = at + 2
        at += 1
    return [], 0


def _unquoted(name: str) -> str:
    inner = name[1:-1]
    if (
        len(name) > 1
        and name[0] == name[-1] == '"'
        and '"' not in inner.replace('""', "")
    ):
        return inner.replace('""', '"')
    return name


def _named(text: str, columns: Sequence[Column]) -> list[Column] | None:
    """The columns that a list of raw names means, in the table's order, or None."""
    found: list[list[Column]] = []

    def look(rest: str, begin: int, chosen: list[Column]) -> None:
        if len(found) > 1:
            return
        for position in range(begin, len(columns)):
            name = columns[position].name
            if rest == name:
                found.append([*chosen, columns[position]])
            elif rest.startswith(name + ", "):
                look(rest[len(name) + 2 :], position + 1, [*chosen, columns[position]])

    look(text, 0, [])
    return found[0] if len(found) == 1 else None


def _cuts(text: str, columns: Sequence[Column], codec: str | None) -> list[list[str]]:
    """The ways to cut the text into one value a column: none, one, or two of more.

    `codec`: in which values are cut after 64 bytes; None: they are not.
    """
    pieces = text.split(", ")
    spare = len(pieces) - len(columns)  # commas that are within values
    if not columns or spare < 0 or len(columns) * (spare + 1) > _WORK:
        return []
    # From the last column to the first: ways[start] is how many ways cut the pieces
    # from there on, ends[start] where the column's value ends in the first of them.
    ways = [0] * len(pieces) + [1]
    table: list[list[int]] = []
    for position in range(len(columns) - 1, -1, -1):
        fits = shape_of(columns[position].type)
        ways, ends = _column_ways(
            pieces, range(position, position + spare + 1), ways, fits, codec
        )
        table.append(ends)
    if ways[0] == 0:
        return []
    way, start = [], 0
    for ends in reversed(table):
        way.append(", ".join(pieces[start : ends[start]]))
        start = ends[start]
    return [way] if ways[0] == 1 else [way, way]


def _column_ways(
    pieces: list[str],
    starts: range,
    after: list[int],
    shape: Shape,
    codec: str | None,
) -> tuple[list[int], list[int]]:
    """How many ways (two stand for more) begin with a column at each start."""
    ways, ends = [0] * len(after), [0] * len(after)
    for start in starts:
        for end in range(start + 1, starts.stop + 1):
            value = ", ".join(pieces[start:end])
            if codec and len(value) > _SHOWN_BYTES + len(_CUT):
                break
            if after[end] and _fits(value, shape, codec):
                ends[start] = ends[start] or end
                ways[start] = min(2, ways[start] + after[end])
                if ways[start] > 1:
                    break
    return ways, ends


def _fits(value: str, shape: Shape, codec: str | None) -> bool:
    if codec is None:
        return value == "null" or shape(value, False)
    if _length(value, codec) > _SHOWN_BYTES and not value.endswith(_CUT):
        return False
    return value == "null" or shape(value, _is_cut(value, codec))


def _is_cut(value: str, codec: str) -> bool:
    """Whether the value is cut, or may be: 61 bytes stay before a character of 4."""
    return value.endswith(_CUT) and _length(value, codec) >= _SHOWN_BYTES


def _length(value: str, codec: str) -> int:
    return len(value.encode(codec, "replace"))
