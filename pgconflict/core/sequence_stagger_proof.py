"""After staggering: do the nodes' live definitions keep their values apart?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.sequence import SequenceName, SequenceState
from pgconflict.core.sequence_change import Outcome, Result
from pgconflict.core.sequence_overlap import overlaps
from pgconflict.core.sequence_position import reaches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pgconflict.core.sequence_ranges import Staggered


class StaggerLine(msgspec.Struct, frozen=True, gc=False):
    """One sequence of one node."""

    name: SequenceName
    node: str
    before: SequenceState | None
    after: SequenceState | None
    reason: str
    moved: bool
    blocked: bool
    doubt: str | None


def prove_staggered(
    plans: Iterable[Staggered],
    results: Mapping[str, Mapping[SequenceName, Result]],
    before: Mapping[str, Mapping[SequenceName, SequenceState]],
    after: Mapping[str, Mapping[SequenceName, SequenceState]],
) -> Iterator[StaggerLine]:
    """Yield each sequence of each node, all mappings by node."""
    for plan in plans:
        states = {node: seen.get(plan.name) for node, seen in after.items()}
        doubts = dict(_doubts(plan, states))
        for node in after:
            result = results.get(node, {}).get(plan.name)
            reason, blocked = _reason(plan, result)
            yield StaggerLine(
                plan.name,
                node,
                before[node].get(plan.name),
                states[node],
                reason,
                result is not None and result.outcome is Outcome.SET,
                blocked,
                doubts.get(node),
            )


def _reason(plan: Staggered, result: Result | None) -> tuple[str, bool]:
    if plan.refusal is not None:
        return plan.refusal, True
    if result is None:
        return "unchanged", False
    if result.outcome.done:
        return "values of its own", False
    return f"{result.outcome}: {result.detail or 'run it again'}", True


def _doubts(
    plan: Staggered, states: Mapping[str, SequenceState | None]
) -> Iterator[tuple[str, str]]:
    known = {
        node: state
        for node, state in states.items()
        if state is not None and state.last_value is not None
    }
    for node in states:
        if node not in known:
            yield node, "unreadable or missing"
    frontier = plan.frontier
    for step in plan.steps:
        state = known.get(step.node)
        # A node that kept its residue or range is proved by that alone.
        if state is None or frontier is None or step.change.frontier != frontier:
            continue
        if not reaches(state, frontier):
            yield step.node, f"its next value is not beyond {frontier}"
    for one, other, value in overlaps(known):
        yield one, f"{value} will come from node {other} too"
        yield other, f"{value} will come from node {one} too"
