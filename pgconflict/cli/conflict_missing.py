"""The row that an update did not find: the statements that put it there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pgconflict.cli.sql_text import condition, identifier, literal
from pgconflict.conflict_log.row_policy import OMITTED

if TYPE_CHECKING:
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import Values

_HASHED: Final = re.compile(r"hmac:[0-9a-f]{32}")


def statement_of_publisher(table: str, key: Values) -> str:
    """What prints, on the publisher, the INSERT of its row: all columns, by name.

    In JSON, so that the tables may have their columns in another order. Generated
    columns are left out: they can't be written.
    """
    columns = (
        "(SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)"
        f" FROM pg_attribute WHERE attrelid = {literal(table)}::regclass"
        " AND attnum > 0 AND NOT attisdropped AND attgenerated = '')"
    )
    form = literal(
        f"INSERT INTO {table.replace('%', '%%')} (%1$s) OVERRIDING SYSTEM VALUE SELECT"
        f" %1$s FROM jsonb_populate_record(NULL::{table.replace('%', '%%')}, %2$L)"
        " ON CONFLICT DO NOTHING;"
    )
    return (
        f"SELECT format({form}, {columns}, to_jsonb(t)) FROM {table} t"
        f" WHERE {condition(key)};"
    )


def statement_of_entry(table: str, conflict: StoredConflict) -> str | None:
    """The INSERT of what the update sent; a comment where a value is not whole.

    None where nothing is known. Columns that were not sent are not in it.
    """
    sent = conflict.remote_tuple
    if not sent:
        return None
    doubts = {name: _doubt(name, value, conflict) for name, value in sent.items()}
    values = ", ".join(
        "NULL"
        if value is None
        else (f"/* {doubts[name]} */ " if doubts[name] else "") + literal(value)
        for name, value in sent.items()
    )
    columns = ", ".join(map(identifier, sent))
    whole = not any(doubts.values())
    return (
        f"{'' if whole else '-- '}INSERT INTO {table} ({columns})"
        f" OVERRIDING SYSTEM VALUE VALUES ({values}) ON CONFLICT DO NOTHING;"
    )


def _doubt(name: str, value: str | None, conflict: StoredConflict) -> str | None:
    """Why this is not the value; None if it is."""
    if value is None:
        return None
    if name in conflict.truncated_columns and value.endswith("..."):
        return "cut at 64 bytes"
    if value == OMITTED or _HASHED.fullmatch(value):
        return "not kept"
    return None
