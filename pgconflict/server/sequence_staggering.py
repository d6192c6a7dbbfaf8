"""Staggers the sequences of several nodes: look at all, then change one at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgconflict.core.sequence_change import Outcome, Result
from pgconflict.core.sequence_compare import limit
from pgconflict.core.sequence_rate import distances
from pgconflict.core.sequence_stagger import Scheme, stagger
from pgconflict.core.sequence_stagger_proof import StaggerLine, prove_staggered
from pgconflict.server.sequence_advance import Applied, Patience, apply
from pgconflict.server.sequence_columns import furthest_values, read_columns
from pgconflict.server.sequence_sync import Choice, measure, no_watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgconflict.core.sequence import SequenceColumn, SequenceName
    from pgconflict.core.sequence_change import Change
    from pgconflict.core.sequence_ranges import Staggered
    from pgconflict.server.sequence_reader import Progress
    from pgconflict.server.sequences import SequenceNode, States


@dataclass(slots=True)
class NodesLook:
    """All nodes at one time, and what follows."""

    states: dict[str, States]
    plans: list[Staggered]
    refused: list[str]
    """Columns that could not be asked, for people."""


@dataclass(slots=True)
class Staggering:
    """What was done."""

    applied: dict[str, Applied] = field(default_factory=dict)
    lines: list[StaggerLine] = field(default_factory=list)

    @property
    def longest_lock_s(self) -> float:
        """Longest time for which a sequence was locked."""
        return max((one.longest_lock_s for one in self.applied.values()), default=0.0)


async def look_at_all(
    nodes: Sequence[SequenceNode],
    choice: Choice,
    scheme: Scheme,
    *,
    margin_s: float | None = None,
    sample_s: float = 3.0,
) -> NodesLook:
    """Read all nodes and plan.

    Raises:
        NodeUnavailableError: a node can't be read.
    """
    if margin_s is not None:
        scheme = await _with_rates(nodes, choice, scheme, margin_s, sample_s)
    found = await asyncio.gather(*(_ask(node, choice) for node in nodes))
    states = {node.name: seen.states for node, seen in zip(nodes, found, strict=True)}
    names = sorted({name for one in states.values() for name in one})
    plans = []
    for name in names:
        values = [seen.values[name] for seen in found if name in seen.values]
        known = {node: one.get(name) for node, one in states.items()}
        direction = next(s.direction for s in known.values() if s is not None)
        limits = [end for seen in found if (end := seen.limits.get(name)) is not None]
        plans.append(
            stagger(
                name,
                known,
                scheme,
                column_value=_furthest(values, direction),
                limit=_furthest(limits, -direction),
            )
        )
    refused = [text for seen in found for text in seen.refused]
    return NodesLook(states, plans, refused)


def _furthest(values: Sequence[int], direction: int) -> int | None:
    return max(values, key=lambda value: value * direction, default=None)


@dataclass(slots=True)
class _Seen:
    states: States
    values: dict[SequenceName, int]
    limits: dict[SequenceName, int]
    refused: list[str]


async def _ask(node: SequenceNode, choice: Choice) -> _Seen:
    states = await choice.read(node)
    columns: dict[int, tuple[SequenceColumn, ...]] = await read_columns(
        node, choice.schemas
    )
    readable = [state for state in states.values() if state.last_value is not None]
    answers = await furthest_values(node, readable, columns)
    limits = {
        state.name: end
        for state in states.values()
        if (end := limit(state, columns.get(state.oid, ()))) is not None
    }
    refused = [
        f"node {node.name}: {name}: {reason}"
        for name, reason in sorted(answers.refused.items())
    ]
    return _Seen(states, answers.values, limits, refused)


async def _with_rates(
    nodes: Sequence[SequenceNode],
    choice: Choice,
    scheme: Scheme,
    margin_s: float,
    sample_s: float,
) -> Scheme:
    """Return the scheme with room for what all nodes together give out in a time."""
    measured = await asyncio.gather(
        *(measure(node, choice, sample_s) for node in nodes)
    )
    own: dict[SequenceName, int] = {}
    for rates, states in measured:
        for name, distance in distances(rates, states, margin_s).items():
            own[name] = max(own.get(name, 0), distance)
    return Scheme(
        method=scheme.method, slots=scheme.slots, margin=scheme.margin, distances=own
    )


async def stagger_all(
    nodes: Sequence[SequenceNode],
    choice: Choice,
    seen: NodesLook,
    patience: Patience,
    *,
    watch: Callable[[str, int], Progress] = no_watch,
    say: Callable[[str], None] = lambda _text: None,
) -> Staggering:
    """Make the steps, node after node, then read all nodes again and prove it.

    Raises:
        NodeUnavailableError: a connection was lost; run it again.
    """
    done = Staggering()
    results: dict[str, dict[SequenceName, Result]] = {node.name: {} for node in nodes}
    failed: set[SequenceName] = set()
    # A range must be free before somebody else gets it.
    for frees in (True, False):
        for node in nodes:
            changes = _changes(seen, node.name, failed, frees=frees)
            if not changes:
                continue
            say(f"node {node.name}: {len(changes)} sequences")
            progress = watch(f"node {node.name}", len(changes))
            applied = await apply(node, changes, patience, progress=progress)
            done.applied[node.name] = applied
            for result in applied.results:
                results[node.name][result.change.name] = result
                if not result.outcome.done and frees:
                    failed.add(result.change.name)
                if result.outcome is Outcome.OVERTAKEN:
                    say(f"node {node.name}: {result.change.name}: {result.detail}")
    after = await asyncio.gather(*(choice.read(node) for node in nodes))
    states = {node.name: one for node, one in zip(nodes, after, strict=True)}
    done.lines = list(prove_staggered(seen.plans, results, seen.states, states))
    return done


def _changes(
    seen: NodesLook, node: str, failed: set[SequenceName], *, frees: bool
) -> list[Change]:
    return [
        step.change
        for plan in seen.plans
        if plan.name not in failed
        for step in plan.steps
        if step.node == node and step.change.stays == frees
    ]
