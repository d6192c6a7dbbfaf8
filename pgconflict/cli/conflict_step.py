"""One thing to do about a conflict, and the table and key that its statements name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.cli.sql_text import identifier, literal
from pgconflict.core.repair import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import LocalConflict, Values


class Step(msgspec.Struct, frozen=True):
    """One thing that can be done; without statements it is a fact to know."""

    what: str
    statements: list[str] = []


def under_origin(statements: Sequence[str]) -> list[str]:
    """The statements as a session does them under the repairs' origin."""
    return [
        (
            f"SELECT pg_replication_origin_create({literal(ORIGIN)})"
            " WHERE NOT EXISTS (SELECT FROM pg_replication_origin"
            f" WHERE roname = {literal(ORIGIN)});"
        ),
        f"SELECT pg_replication_origin_session_setup({literal(ORIGIN)});",
        *statements,
        "SELECT pg_replication_origin_session_reset();",
    ]


def table_of(conflict: StoredConflict) -> str | None:
    """The quoted name, if it is certain."""
    if conflict.schemaname is None or conflict.relname is None:
        return None
    return identifier(conflict.schemaname, conflict.relname)


def local_keys(conflict: StoredConflict) -> list[Values]:
    """The keys of the local rows in the way, each once."""
    keys: list[Values] = []
    for local in conflict.local_conflicts:
        key = _of_columns(local.key, conflict, local)
        if key and key not in keys:
            keys.append(key)
    return keys


def row_key(conflict: StoredConflict) -> Values | None:
    """What finds the row: of its replica identity what was logged whole, or a key."""
    whole = {
        name: value
        for name, value in (conflict.replica_identity or {}).items()
        if name not in conflict.truncated_columns
    }
    if whole:
        return whole
    keys = local_keys(conflict)
    return keys[0] if keys else None


def _of_columns(
    key: Values | None, conflict: StoredConflict, local: LocalConflict
) -> Values | None:
    """The key, unless one of its parts is an expression of the index."""
    columns: Mapping[str, object] = local.tuple or conflict.remote_tuple or {}
    for name in key or ():
        if name not in columns and "(" in name:
            return None
    return key


def unknown(conflict: StoredConflict) -> str:
    """Why there is no statement, with what was logged."""
    table = conflict.table or "unknown"
    key = conflict.key or "not logged"
    return (
        "No statement can be made without guessing: the table or the key is not known"
        f" for certain. As logged: table {table}, key {key}."
    )
