"""Names and values of other people as SQL that can be read, copied and pasted.

What would move the cursor is written as an escape of SQL, which means the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql

from pgconflict.cli import output

if TYPE_CHECKING:
    from collections.abc import Mapping

LAST_SHORT: Final = 0xFFFF
"""The last character that four hexadecimal digits name."""


def literal(text: str) -> str:
    r"""The text as a string literal.

    >>> print(literal("it's"), literal("a\x1b[2J"))
    'it''s' E'a\u001b[2J'
    """
    if output.visible(text) == text and "\\" not in text:
        return sql.Literal(text).as_string(None)
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return "E'" + _escaped(doubled, "\\u{:04x}", "\\U{:08x}") + "'"


def identifier(*names: str) -> str:
    r"""The names as a qualified identifier, always in quotes.

    >>> print(identifier("shop", 'a "T" b'), identifier("a\nb"))
    "shop"."a ""T"" b" U&"a\000ab"
    """
    return ".".join(map(_identifier, names))


def condition(values: Mapping[str, str | None]) -> str:
    """The WHERE clause that finds the row with these values.

    >>> print(condition({"id": "1", "gone": None}))
    "id" = '1' AND "gone" IS NULL
    """
    return " AND ".join(
        f"{identifier(name)} IS NULL"
        if value is None
        else f"{identifier(name)} = {literal(value)}"
        for name, value in values.items()
    )


def _identifier(name: str) -> str:
    if output.visible(name) == name:
        return sql.Identifier(name).as_string(None)
    doubled = name.replace("\\", "\\\\").replace('"', '""')
    return 'U&"' + _escaped(doubled, "\\{:04x}", "\\+{:06x}") + '"'


def _escaped(text: str, short: str, long: str) -> str:
    """The text, each unsafe character in one of these forms, by its code."""
    return "".join(_safe(character, short, long) for character in text)


def _safe(character: str, short: str, long: str) -> str:
    if output.visible(character) == character:
        return character
    code = ord(character)
    return (short if code <= LAST_SHORT else long).format(code)
