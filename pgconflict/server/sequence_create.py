"""Creates a sequence that a node lacks, as another node has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from pgconflict.core.sequence_change import Change, Outcome, Result
from pgconflict.server import sequence_lock
from pgconflict.server.sequence_reader import array, fetch

if TYPE_CHECKING:
    from pgconflict.server.sequence_reader import Connection


async def create(connection: Connection, change: Change) -> Result:
    """Create it where the other one stands; in a transaction.

    It gets the other's owner, and the column that owns it, where this node has them
    and our role may; what could not be had is said. Grants are not copied.
    """
    wanted = change.before
    identifier = sequence_lock.identifier(wanted)
    await connection.execute(sequence_lock.create(wanted))
    rows = await fetch(connection, "sequence_oid", *wanted.name)
    await fetch(
        connection,
        "sequence_setval",
        array([rows[0][0]]),
        array([change.last_value]),
        array([change.is_called]),
    )
    column = change.column
    owner = wanted.owner
    if column is not None:
        place = column.schemaname, column.relname, column.attname
        found = await fetch(connection, "column_owner", *place)
        if found:
            owner = found[0][0]
        else:
            column = None
    lacks = []
    statement = sql.SQL("alter sequence {} owner to {}")
    if not await _tried(
        connection, statement.format(identifier, sql.Identifier(owner))
    ):
        lacks.append(f"not owned by {owner}")
    if column is not None:
        statement = sql.SQL("alter sequence {} owned by {}")
        name = sql.Identifier(column.schemaname, column.relname, column.attname)
        if not await _tried(connection, statement.format(identifier, name)):
            lacks.append(f"not owned by column {column}")
    return Result(change, Outcome.SET, "; ".join(lacks) or None)


async def _tried(connection: Connection, statement: sql.Composed) -> bool:
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except psycopg.ProgrammingError:
        return False
    return True
