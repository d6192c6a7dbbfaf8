"""Which conflicts are asked for: what `--since`, `--table`, `--key` ... mean in SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# `id=`, `"Order No"=`: a column at the beginning or after a comma.
_COLUMN: Final = re.compile(r'(?:^|,)\s*("(?:[^"]|"")+"|[^\W\d][\w$]*)\s*=')
MANY: Final = 6  # columns; a longer key is looked for only as it was typed
STATUSES: Final = ("open", "disabled", "applied", "skipped")
UNFINISHED: Final = ("open", "disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What conflicts must be to be shown; empty and None ask for nothing."""

    since: datetime | None = None
    until: datetime | None = None
    nodes: Sequence[str] = ()
    subscriptions: Sequence[str] = ()
    schema: str | None = None
    table: str | None = None
    types: Sequence[str] = ()
    kinds: Sequence[str] = ()
    statuses: Sequence[str] = ()
    key: str | None = None
    harmful: bool = False
    """Without what is known to have done nothing to the data."""

    looked_at: bool | None = None
    """Only what did something, or may have; only what nobody looked at; None: all."""

    @property
    def stalls_only(self) -> bool:
        """Whether only what stopped apply can pass: nothing else has these statuses."""
        return bool(self.statuses) and "applied" not in self.statuses

    @property
    def names(self) -> bool:
        """Whether something is asked for by which conflict_hour is kept."""
        return bool(
            self.nodes or self.subscriptions or self.table or self.types or self.kinds
        )

    def values(self) -> tuple[object, ...]:
        """`$1` to `$11` of conflict_filters.sql."""
        key = self.key
        return (
            self.since,
            self.until,
            *(list(names) or None for names in (self.nodes, self.subscriptions)),
            self.schema,
            self.table,
            *(list(names) or None for names in (self.types, self.kinds, self.statuses)),
            None if key is None else key_texts(key),
            None if key is None else key_json(key),
        )


def split_table(name: str) -> tuple[str | None, str]:
    """Schema, if there is one, and table of `[schema.]table`; quotes as in SQL.

    >>> split_table("shop.orders"), split_table('"a.b"."c d"'), split_table("orders")
    (('shop', 'orders'), ('a.b', 'c d'), (None, 'orders'))
    """
    quoted = re.fullmatch(
        r'(?:(?P<schema>"(?:[^"]|"")+"|[^".]+)\.)?(?P<table>"(?:[^"]|"")+"|[^"]+)', name
    )
    if quoted is None:
        return None, name
    schema = quoted["schema"]
    return (None if schema is None else _unquoted(schema)), _unquoted(quoted["table"])


def key_texts(key: str) -> list[str]:
    """The ways in which the server may print this key.

    A text in parentheses is taken as it is. A column's name may be printed in quotes:
    the server does where SQL would have to, keywords included.

    >>> key_texts("id=1"), key_texts("(id)=(1)")
    (['(id)=(1)', '("id")=(1)'], ['(id)=(1)'])
    >>> key_texts('"A"=1, b=x, y')
    ['("A", b)=(1, x, y)', '("A", "b")=(1, x, y)']
    """
    pairs = _pairs(key)
    if key.startswith("(") or not pairs:
        return [key]
    many = len(pairs) > MANY
    names = [[name] if many else _spellings(name) for name, _ in pairs]
    values = ", ".join(value for _, value in pairs)
    return [f"({', '.join(spelt)})=({values})" for spelt in product(*names)]


def key_json(key: str) -> str | None:
    """The key as a JSON object, column to text; None if it can't be split.

    >>> key_json("id=1"), key_json("(a, b)=(1, 2)"), key_json("(1, x, y)")
    ('{"id":"1"}', '{"a":"1","b":"2"}', None)
    """
    pairs = _pairs(key)
    if key.startswith("("):
        columns, equals, values = key[1:-1].partition(")=(")
        names, parts = columns.split(", "), values.split(", ")
        same = equals and len(names) == len(parts)
        pairs = list(zip(names, parts, strict=True)) if same else []
    if not pairs:
        return None
    return msgspec.json.encode(
        {_unquoted(name): value for name, value in pairs}
    ).decode()


def _pairs(key: str) -> list[tuple[str, str]]:
    found = list(_COLUMN.finditer(key))
    ends = [*(match.start() for match in found[1:]), len(key)][: len(found)]
    return [
        (match[1], key[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
    ]


def _spellings(name: str) -> list[str]:
    quoted = '"' + _unquoted(name).replace('"', '""') + '"'
    return [quoted] if name.startswith('"') else [name, quoted]


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
