"""What `sequences stagger` prints, and what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgconflict.cli import output
from pgconflict.cli.sequences_access import position_of, say
from pgconflict.conflict_log.sequence_syncs import Ending, Value
from pgconflict.server.sequence_lock import by_hand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.server.sequence_staggering import NodesLook, Staggering

_COLUMNS = ("sequence", "node", "was", "is", "increment", "reason", "proof")


def print_steps(seen: NodesLook) -> None:
    """Print the statements, node by node, and what is refused."""
    for node in seen.states:
        steps = [
            step for plan in seen.plans for step in plan.steps if step.node == node
        ]
        if steps:
            print(f"-- node {output.visible(node)}")
        for step in steps:
            print(output.visible(by_hand(step.change)))
    for plan in seen.plans:
        if plan.refusal is not None:
            print(f"-- {output.visible(str(plan.name))}: {plan.refusal}")


def plan_document(seen: NodesLook, database: str) -> dict[str, Any]:
    """Return the plan as one document."""
    return {
        "database": database,
        "steps": [
            {
                "schemaname": plan.name.schemaname,
                "sequencename": plan.name.sequencename,
                "node": step.node,
                "statement": by_hand(step.change),
                "frontier": plan.frontier,
            }
            for plan in seen.plans
            for step in plan.steps
        ],
        "refused": [
            {
                "schemaname": plan.name.schemaname,
                "sequencename": plan.name.sequencename,
                "reason": plan.refusal,
            }
            for plan in seen.plans
            if plan.refusal is not None
        ],
    }


def ending_of(done: Staggering) -> Ending:
    """Return what came of it."""
    lines = done.lines
    moved = sum(line.moved for line in lines)
    blocked = sum(line.blocked for line in lines)
    doubts = sum(line.doubt is not None for line in lines)
    return Ending(
        outcome="not_proved" if blocked or doubts else "proved",
        moved=moved,
        unchanged=len(lines) - moved - blocked,
        blocked=blocked,
        doubts=doubts,
        longest_lock_s=done.longest_lock_s if done.applied else None,
    )


def stored_values(done: Staggering) -> Iterator[Value]:
    """Yield each sequence as the conflict log keeps it."""
    for line in done.lines:
        yield Value.of(
            line.node,
            line.name,
            (line.before, line.after),
            moved=line.moved,
            reason=line.reason,
            doubt=line.doubt,
        )


def done_document(ending: Ending, sync_id: int | None) -> dict[str, Any]:
    """Return what came of it, as it goes into the document."""
    return {
        "sync_id": sync_id,
        "outcome": ending.outcome,
        "moved": ending.moved,
        "blocked": ending.blocked,
        "doubts": ending.doubts,
        "longest_lock_s": ending.longest_lock_s,
    }


def print_done(done: Staggering, ending: Ending, sync_id: int | None) -> None:
    """Print what is not as asked, line by line, and the totals."""
    wrong = [line for line in done.lines if line.blocked or line.doubt is not None]
    if wrong:
        output.print_table(
            _COLUMNS,
            [
                (
                    str(line.name),
                    line.node,
                    position_of(line.before),
                    position_of(line.after),
                    line.after.increment if line.after else None,
                    line.reason,
                    line.doubt or "proved",
                )
                for line in wrong
            ],
        )
    say(f"changed {ending.moved}, unchanged {ending.unchanged}, not {ending.blocked}")
    if ending.outcome == "proved":
        say(
            "proved by reading all nodes again: no value can come from two of them,"
            " from the definitions they have now"
        )
    else:
        say(f"NOT proved for {ending.doubts} of {len(done.lines)}")
    if sync_id is not None:
        say(f"kept as run {sync_id}: pgconflict sequences sync --proof {sync_id}")
