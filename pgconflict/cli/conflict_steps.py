"""What to do about a conflict: the statements themselves, and what each costs.

Every statement names the node to run it on, quotes what it names, and changes nothing
that its reason does not say. Where something is not known the step says how to learn
it, instead of a statement with a guess in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.cli.conflict_missing import (
    statement_of_entry,
    statement_of_publisher,
)
from pgconflict.cli.conflict_step import Step, row_key, table_of, under_origin, unknown
from pgconflict.cli.conflict_stopped_steps import stopped_steps, sync_steps
from pgconflict.cli.sql_text import condition
from pgconflict.core.conflict import ConflictType, Kind, Status
from pgconflict.core.verdict import Effect, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.conflict_log.reader import Companion
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import Values


def next_steps(
    conflict: StoredConflict, transaction: Sequence[Companion] = ()
) -> list[Step]:
    """What can be done, in the order in which to think of it."""
    if conflict.kind == Kind.SYNC_ERROR:
        steps = sync_steps(conflict)
    elif conflict.stalls and conflict.status in {Status.OPEN, Status.DISABLED}:
        steps = stopped_steps(conflict, transaction)
    elif conflict.effect == Effect.NONE:
        return [Step("Nothing: it did no harm.")]
    else:
        steps = _compare(conflict)
    if conflict.acknowledged_at is None:
        command = f"pgconflict conflicts ack {conflict.conflict_id} --note '...'"
        steps.append(Step("Say that it was seen, and what came of it:", [command]))
    return steps


def _compare(conflict: StoredConflict) -> list[Step]:
    """The row on both nodes, for what did not stop apply or is over."""
    table, key = table_of(conflict), row_key(conflict)
    if conflict.kind not in (Kind.CONFLICT, Kind.DIFFERENCE):
        return []
    if table is None or not key:
        return [Step(unknown(conflict))]
    steps = []
    if conflict.verdict == Verdict.CONVERGED and conflict.effect == Effect.WRITE_LOST:
        return _again(conflict, table, key)
    if conflict.verdict == Verdict.DIVERGED:
        repair = f"pgconflict conflicts repair {conflict.conflict_id} --winner latest"
        steps.append(
            Step(
                "See what would make the nodes agree; --apply does it, --winner NODE"
                " takes that node's version.",
                [repair],
            )
        )
    steps += [
        Step(
            f"Compare the row: on node {conflict.node} and on the publisher.",
            [f"SELECT * FROM {table} WHERE {condition(key)};"],
        )
    ]
    if conflict.replica_identity_full:
        steps.append(
            Step(
                "REPLICA IDENTITY FULL: the condition names all columns that were"
                " logged whole. Leave out those whose type has no equality (json)."
            )
        )
    if conflict.verdict not in (Verdict.DIVERGED, Verdict.CONVERGED):
        steps += _agree(conflict, table, key)
    return steps


def _again(conflict: StoredConflict, table: str, key: Values) -> list[Step]:
    """What to do about a write that is lost, where both nodes agree."""
    steps = [
        Step(
            "See what the row is now, on either node: they agree.",
            [f"SELECT * FROM {table} WHERE {condition(key)};"],
        )
    ]
    what = (
        "Whoever owns the data decides whether the lost write has to be made again."
        " Make it on one node, in an ordinary session: the other gets it."
    )
    gone = {ConflictType.UPDATE_MISSING, ConflictType.UPDATE_DELETED}
    if conflict.conflict_type in gone:
        sent = statement_of_entry(table, conflict)
        said = " If the row is gone and should not be:" if sent else ""
        return [*steps, Step(what + said, [sent] if sent else [])]
    return [*steps, Step(what)]


def _agree(conflict: StoredConflict, table: str, key: Values) -> list[Step]:
    """How the nodes come to agree on the row, if they do not."""
    match conflict.conflict_type:
        case ConflictType.UPDATE_MISSING | ConflictType.UPDATE_DELETED:
            return _put_there(conflict, table, key)
        case ConflictType.UPDATE_ORIGIN_DIFFERS:
            return [
                Step(
                    "If both nodes wrote the row at once, each has the other's version"
                    " now. An update on one of them, of every column that differs,"
                    " makes them agree."
                )
            ]
        case ConflictType.DELETE_ORIGIN_DIFFERS:
            return [
                Step(
                    "If the change that was deleted here matters, and the row is gone"
                    " on both nodes: insert it again on one of them."
                )
            ]
    return []


def _put_there(conflict: StoredConflict, table: str, key: Values) -> list[Step]:
    """The row that an update did not find: delete it on the publisher too, or copy it.

    Not by an ordinary insert: it would travel to the publisher, meet the row there
    and stop apply there.
    """
    sent = statement_of_entry(table, conflict)
    if sent is None:
        said = " The entry does not tell the row's values."
    elif sent.startswith("--"):
        said = (
            " This is what the entry tells of the row: not all of it, so it is a"
            " comment."
        )
    else:
        said = (
            " This is the row as the update sent it; use it only where the publisher"
            " can't be asked. Columns that were not sent are not in it."
        )
    insert = sent or "-- the statement that the publisher printed"
    return [
        Step(
            "If the deletion was meant: delete the row on the publisher. If the row"
            " should be here: have the publisher print the statement that inserts its"
            " row, all of it and as it is now.",
            [statement_of_publisher(table, key)],
        ),
        Step(
            f"Run that on node {conflict.node} as superuser, under an origin: an"
            " ordinary insert would travel to the publisher, meet the row there and"
            f" stop apply there.{said}",
            under_origin([insert]),
        ),
    ]
