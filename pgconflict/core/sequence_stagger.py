"""Definitions with which no two nodes can give out the same value, and the way there.

Either each node has its own residue (`INCREMENT BY n`), or its own range. The way is
one node at a time: those that are not changed yet go on as before. So every new value
lies beyond a frontier, which none of them may have passed when its turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import reduce
from itertools import combinations
from math import gcd

import msgspec

from pgconflict.core.sequence import SequenceName, SequenceState, step_up
from pgconflict.core.sequence_change import Change
from pgconflict.core.sequence_overlap import overlaps
from pgconflict.core.sequence_ranges import Staggered, Step, ranges


class Method(StrEnum):
    """How values are divided among the nodes."""

    RESIDUE = "residue"
    RANGE = "range"


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for."""

    method: Method = Method.RESIDUE
    slots: int | None = None
    """Nodes that there is to be room for; None: as many as there are."""

    margin: int = 1000
    """How many values each sequence may give out until its node's turn comes."""

    distances: Mapping[SequenceName, int] | None = None
    """The same as a distance between values, of each sequence's own, instead."""

    def distance(self, name: SequenceName, unit: int) -> int:
        """The margin as a distance between two values."""
        if self.distances is not None:
            return max(self.distances.get(name, 0), self.margin * unit)
        return self.margin * unit


def stagger(
    name: SequenceName,
    states: Mapping[str, SequenceState | None],
    scheme: Scheme,
    *,
    column_value: int | None = None,
    limit: int | None = None,
) -> Staggered:
    """Return the steps for one sequence; none if its nodes are disjoint already.

    Args:
        name: Which sequence.
        states: It on each node; None where it is missing.
        scheme: What was asked for.
        column_value: The furthest value that a column holds on any node.
        limit: The furthest value that fits in the columns.
    """
    refusal = _refusal(states)
    if refusal is not None:
        return Staggered(name=name, refusal=refusal)
    known = {node: state for node, state in states.items() if state is not None}
    if not overlaps(known) and not _asks_for_more(known, scheme):
        return Staggered(name=name)
    if scheme.method is Method.RANGE:
        distance = scheme.distance(name, unit(known))
        return ranges(
            name,
            known,
            frontier=frontier(known, column_value, distance),
            slots=scheme.slots,
            limit=limit,
        )
    if any(state.cycle for state in known.values()):
        refusal = "it cycles: behind their ends all nodes begin with the same value"
        return Staggered(name=name, refusal=refusal)
    return _residues(name, known, scheme, column_value)


def _refusal(states: Mapping[str, SequenceState | None]) -> str | None:
    for node, state in states.items():
        if state is None:
            return f"missing on node {node}"
        if state.last_value is None:
            return f"unreadable on node {node}"
    directions = {state.direction for state in states.values() if state is not None}
    return None if len(directions) == 1 else "it ascends here and descends there"


def _asks_for_more(states: Mapping[str, SequenceState], scheme: Scheme) -> bool:
    """Whether room is asked for more nodes than the residues have."""
    if scheme.slots is None or scheme.method is Method.RANGE:
        return False
    increments = {abs(state.increment) for state in states.values()}
    return len(increments) == 1 and min(increments) < scheme.slots * unit(states)


def unit(states: Mapping[str, SequenceState]) -> int:
    """Return the increment that one node alone would have.

    It is not always 1: an application may use each value for a block of rows.
    """
    values = list(states.values())
    increments = [abs(state.increment) for state in values]
    apart = [
        (one.last_value or 0) - (other.last_value or 0)
        for one, other in combinations(values, 2)
    ]
    common = reduce(gcd, increments)
    return reduce(gcd, apart, common) if len(set(increments)) == 1 else common


def frontier(
    states: Mapping[str, SequenceState], column_value: int | None, distance: int
) -> int:
    """Return the value beyond which nobody is, nor will be soon."""
    values = [state.used for state in states.values()]
    if column_value is not None:
        values.append(column_value)
    direction = next(iter(states.values())).direction
    furthest = max(values) if direction > 0 else min(values)
    return furthest + distance * direction


def _residues(
    name: SequenceName,
    states: Mapping[str, SequenceState],
    scheme: Scheme,
    column_value: int | None,
) -> Staggered:
    one = unit(states)
    present = max(abs(state.increment) for state in states.values())
    slots = scheme.slots or max(len(states), present // one)
    if slots < len(states):
        refusal = f"{slots} slots are too few for {len(states)} nodes"
        return Staggered(name=name, refusal=refusal)
    increment = one * slots
    kept = _kept_residues(states, one, increment)
    beyond = frontier(states, column_value, scheme.distance(name, one))
    first = next(iter(states.values()))
    anchor = (first.last_value or 0) if not kept else next(iter(kept.values()))
    free = [
        residue
        for slot in range(slots)
        if (residue := (anchor + slot * one) % increment) not in kept.values()
    ]
    # One that has its residue has been apart from others that have theirs: it must be
    # beyond what those gave out that had none.
    changing = {node: state for node, state in states.items() if node not in kept}
    distance = scheme.distance(name, one)
    behind = frontier(changing or states, None, distance)
    steps = []
    for node, state in states.items():
        if node in kept:
            step = _to_residue(node, state, kept[node], increment, behind)
        else:
            step = _to_residue(node, state, free.pop(0), increment, beyond)
        if isinstance(step, str):
            return Staggered(name=name, refusal=f"on node {node}: {step}")
        if step is not None:
            steps.append(step)
    return Staggered(name=name, steps=tuple(steps), frontier=beyond)


def _kept_residues(
    states: Mapping[str, SequenceState], one: int, increment: int
) -> dict[str, int]:
    """Return the residues of nodes that have one of their own already."""
    kept: dict[str, int] = {}
    for node, state in states.items():
        if abs(state.increment) != increment:
            continue
        residue = (state.last_value or 0) % increment
        taken = kept.values()
        if residue not in taken and all(
            (residue - other) % one == 0 for other in taken
        ):
            kept[node] = residue
    return kept


def _to_residue(
    node: str, state: SequenceState, residue: int, increment: int, beyond: int
) -> Step | str | None:
    """Return the step of one node; None if it stays; text if it can't be made."""
    signed = increment * state.direction
    same = state.increment == signed and (state.last_value or 0) % increment == residue
    if same and (state.used + signed - beyond) * state.direction > 0:
        return None
    start = step_up(beyond + state.direction, anchor=residue, increment=signed)
    if not state.minimum <= start <= state.maximum:
        return f"{start} is not between {state.minimum} and {state.maximum}"
    definition = msgspec.structs.replace(state, increment=signed, start=start)
    change = Change(
        before=state,
        last_value=start,
        is_called=False,
        definition=None if same else definition,
        frontier=None if same else beyond,
    )
    return Step(node=node, change=change)
