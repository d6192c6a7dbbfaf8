"""Changes that are more than a setval(): definitions, reserved values, ways back.

Slower than setting alone, since the sequence is written to a new file: few a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from pgconflict.core.sequence_change import Change, Outcome, Result, verdict
from pgconflict.server import sequence_lock
from pgconflict.server.sequence_reader import array, fetch, read_positions, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.sequence import SequenceState
    from pgconflict.server.sequence_reader import Connection


async def change_carefully(
    connection: Connection, batch: Sequence[Change]
) -> list[Result]:
    """Lock, look again, and make each change that is still right; in a transaction."""
    await connection.execute(sequence_lock.lock(change.before for change in batch))
    present = await _present(connection, batch)
    results = []
    chosen = []
    for change in batch:
        outcome, detail = _outcome(change, present.get(change.before.oid))
        results.append(Result(change, outcome, detail))
        if outcome is Outcome.SET:
            chosen.append(change)
    if chosen:
        await _rewrite(connection, chosen)
        moved = [change for change in chosen if not change.stays]
        await fetch(
            connection,
            "sequence_setval",
            array(change.before.oid for change in moved),
            array(change.last_value for change in moved),
            array(change.is_called for change in moved),
        )
    return results


def _outcome(change: Change, now: SequenceState | None) -> tuple[Outcome, str | None]:
    # One of another name by now: the lock is another sequence's.
    if now is None or now.name != change.name:
        return Outcome.GONE, None
    if now.last_value is None:
        return Outcome.DENIED, "our role may not read it"
    found = verdict(change, now)
    detail = None
    if found is Outcome.OVERTAKEN:
        detail = f"it has given out {now.used}, beyond {change.frontier}"
    return found, detail


async def _present(
    connection: Connection, changes: Sequence[Change]
) -> dict[int, SequenceState]:
    """Return the sequences as they are under their locks."""
    oids = [change.before.oid for change in changes]
    if await fetch(connection, "sequence_altered", array(oids)):
        raise psycopg.errors.ObjectNotInPrerequisiteState("altered meanwhile")
    rows = await fetch(connection, "sequence_definitions", None, array(oids), 1, 0)
    names = {change.before.oid: change.name for change in changes}
    positions = await read_positions(connection, oids, names)
    # Before 18 positions are read by name: of one that has another by now, none is.
    return {
        row[0]: state_of(row + positions[row[0]]) for row in rows if row[0] in positions
    }


async def _rewrite(connection: Connection, changes: Sequence[Change]) -> None:
    statements = []
    for change in changes:
        if change.definition is not None:
            statements.append(
                sequence_lock.redefine(
                    change.before,
                    change.definition,
                    None if change.stays else change.last_value,
                )
            )
        elif change.before.cache > 1:
            statements.append(sequence_lock.drop_reserved(change.before))
    if statements:
        await connection.execute(sql.SQL(";").join(statements))
