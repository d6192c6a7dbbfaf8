"""Statements about a sequence by name: its lock, its definition.

Why these statements take the lock: docs/adr/0007-sequence-lock.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.core.sequence import SequenceState
    from pgconflict.core.sequence_change import Change


def identifier(state: SequenceState) -> sql.Identifier:
    """Return its qualified name for SQL."""
    return sql.Identifier(*state.name)


def lock(states: Iterable[SequenceState]) -> bytes:
    """Return statements that lock sequences and change nothing.

    Each takes ACCESS EXCLUSIVE, says again what the sequence is, and writes nothing.
    """
    # Joined by hand: a third of the time, and this is asked 100,000 times a run.
    return b";".join(
        b"alter sequence %b set %b"
        % (
            identifier(state).as_bytes(),
            b"unlogged" if state.unlogged else b"logged",
        )
        for state in states
    )


def drop_reserved(state: SequenceState) -> sql.Composed:
    """Return the statement after which sessions draw new values.

    It says again what `cache` is: PostgreSQL then writes the sequence to a new file,
    and a session that finds a new file forgets the values it had reserved.
    """
    return sql.SQL("alter sequence {} cache {}").format(
        identifier(state), sql.Literal(state.cache)
    )


def redefine(
    before: SequenceState, definition: SequenceState, restart: int | None
) -> sql.Composed:
    """Return the statement that gives a sequence its new definition.

    RESTART is in it because the present value may be out of the new bounds; without
    a value the sequence stays where it is, and the server refuses bounds without it.
    """
    statement = sql.SQL("alter sequence {} {}").format(
        identifier(before), _options(definition)
    )
    if restart is not None:
        statement += sql.SQL(" restart with {}").format(sql.Literal(restart))
    return statement


def create(definition: SequenceState) -> sql.Composed:
    """Return the statement that creates it."""
    kind = sql.SQL("unlogged " if definition.unlogged else "")
    return sql.SQL("create {}sequence {} {}").format(
        kind, identifier(definition), _options(definition)
    )


def _options(definition: SequenceState) -> sql.Composed:
    return sql.SQL(
        "as {} increment by {} minvalue {} maxvalue {} start with {} cache {} {}"
    ).format(
        sql.SQL(_TYPES[definition.data_type]),
        sql.Literal(definition.increment),
        sql.Literal(definition.minimum),
        sql.Literal(definition.maximum),
        sql.Literal(definition.start),
        sql.Literal(definition.cache),
        sql.SQL("cycle" if definition.cycle else "no cycle"),
    )


def by_hand(change: Change) -> str:
    """Return the statement that somebody would type for a change."""
    before, after = change.before, change.definition
    name = identifier(before)
    if after is None:
        statement = sql.SQL("SELECT setval({}, {}, {});").format(
            sql.Literal(name.as_string()),
            sql.Literal(change.last_value),
            sql.Literal(change.is_called),
        )
        return statement.as_string()
    parts = [
        # Not sql.Literal, which puts a second space before a minus.
        sql.SQL(f" {words} {int(getattr(after, field))}")
        for field, words in _WORDS.items()
        if getattr(after, field) != getattr(before, field)
    ]
    if not change.stays:
        parts.append(sql.SQL(f" RESTART WITH {int(change.last_value)}"))
    statement = sql.SQL("ALTER SEQUENCE {}{};").format(name, sql.SQL("").join(parts))
    return statement.as_string()


_WORDS: Final = {
    "increment": "INCREMENT BY",
    "minimum": "MINVALUE",
    "maximum": "MAXVALUE",
    "start": "START WITH",
}
_TYPES: Final = {
    "smallint": "pg_catalog.int2",
    "integer": "pg_catalog.int4",
    "bigint": "pg_catalog.int8",
}
