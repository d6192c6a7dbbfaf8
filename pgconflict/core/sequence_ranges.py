"""A range of its own for each node: dividing what is left, and dividing it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.sequence import SequenceName, SequenceState, step_up
from pgconflict.core.sequence_change import Change

if TYPE_CHECKING:
    from collections.abc import Mapping


class Step(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One node's change of one sequence."""

    node: str
    change: Change


class Staggered(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is to be done about one sequence on all nodes."""

    name: SequenceName
    steps: tuple[Step, ...] = ()
    """In the order in which they must be made."""

    refusal: str | None = None
    """Why nothing can be done."""

    frontier: int | None = None
    """Every value beyond it belongs to one node only once the steps are made."""


def ranges(
    name: SequenceName,
    states: Mapping[str, SequenceState],
    *,
    frontier: int,
    slots: int | None = None,
    limit: int | None = None,
) -> Staggered:
    """Return the steps that give each node a range beyond the frontier.

    Nodes that have ranges of their own keep them; should there be no room behind the
    last of them, that one is divided. Otherwise as `stagger`.
    """
    mirrored = next(iter(states.values())).increment < 0
    if mirrored:
        states = {node: _mirror(state) for node, state in states.items()}
        frontier = -frontier
        limit = None if limit is None else -limit
    found = _divide(states, frontier, slots or 0, limit)
    if isinstance(found, str):
        return Staggered(name=name, refusal=found)
    if mirrored:
        found = [_mirror_step(step) for step in found]
        frontier = -frontier
    return Staggered(name=name, steps=tuple(found), frontier=frontier)


def _divide(
    states: Mapping[str, SequenceState], frontier: int, slots: int, limit: int | None
) -> list[Step] | str:
    kept = _kept(states)
    lost = [node for node in kept if _is_lost(states[node], states, kept, frontier)]
    kept = [node for node in kept if node not in lost]
    new = [node for node in states if node not in kept]
    end = min(states[node].maximum for node in new or states)
    if lost:
        end = max(state.maximum for state in states.values())
    end = min(end, limit) if limit is not None else end
    begin = frontier + 1
    moves = [
        _advance(node, states[node], frontier)
        for node in kept
        if states[node].used + states[node].increment <= frontier
        and _intruders(states[node], states, kept)
    ]
    if not new:
        return moves
    behind = max([begin, *(states[node].maximum + 1 for node in kept)])
    size = (end - behind + 1) // max(len(new), slots - len(kept))
    if kept:
        last = max(kept, key=lambda node: states[node].maximum)
        part = (states[last].maximum - begin + 1) // (len(new) + 1)
        if part > size:
            size, behind = part, begin + part
            moves.append(_shrink(last, states[last], behind - 1))
    if size < max(states[node].increment for node in new):
        return f"no room: {max(0, end - behind + 1)} values are left beyond {frontier}"
    for place, node in enumerate(new):
        low = behind + place * size
        moves.append(_take(node, states[node], low, low + size - 1, frontier))
    return moves


def _kept(states: Mapping[str, SequenceState]) -> list[str]:
    """Return the nodes that have ranges of their own, apart from each other's."""
    widths = {node: state.maximum - state.minimum for node, state in states.items()}
    kept: list[str] = []
    for node in sorted(states, key=lambda node: widths[node]):
        low, high = states[node].minimum, states[node].maximum
        apart = all(
            high < states[other].minimum or low > states[other].maximum
            for other in kept
        )
        if apart:
            kept.append(node)
    # The widest alone is one that was never given a range.
    if len(kept) == 1 and widths[kept[0]] == max(widths.values()):
        return []
    return kept


def _intruders(
    state: SequenceState, states: Mapping[str, SequenceState], kept: list[str]
) -> bool:
    """Whether a node without a range has been where this one goes."""
    return any(
        other.used > state.used and other.used >= state.minimum
        for node, other in states.items()
        if node not in kept
    )


def _is_lost(
    state: SequenceState,
    states: Mapping[str, SequenceState],
    kept: list[str],
    frontier: int,
) -> bool:
    """Whether its range has nothing left that nobody has been in."""
    return frontier >= state.maximum and _intruders(state, states, kept)


def _advance(node: str, state: SequenceState, frontier: int) -> Step:
    start = step_up(
        frontier + 1, anchor=state.last_value or 0, increment=state.increment
    )
    change = Change(before=state, last_value=start, is_called=False)
    return Step(node=node, change=change)


def _shrink(node: str, state: SequenceState, maximum: int) -> Step:
    definition = msgspec.structs.replace(state, maximum=maximum)
    change = Change(
        before=state,
        last_value=state.last_value or 0,
        is_called=state.is_called,
        definition=definition,
        frontier=maximum,
        stays=True,
    )
    return Step(node=node, change=change)


def _take(node: str, state: SequenceState, low: int, high: int, frontier: int) -> Step:
    definition = msgspec.structs.replace(state, minimum=low, maximum=high, start=low)
    change = Change(
        before=state,
        last_value=low,
        is_called=False,
        definition=definition,
        frontier=frontier,
    )
    return Step(node=node, change=change)


def _mirror(state: SequenceState) -> SequenceState:
    """Return it with every value's sign turned: descending becomes ascending."""
    return msgspec.structs.replace(
        state,
        start=-state.start,
        increment=-state.increment,
        minimum=-state.maximum,
        maximum=-state.minimum,
        last_value=-(state.last_value or 0),
    )


def _mirror_step(step: Step) -> Step:
    change = step.change
    definition, frontier = change.definition, change.frontier
    turned = msgspec.structs.replace(
        change,
        before=_mirror(change.before),
        last_value=-change.last_value,
        definition=None if definition is None else _mirror(definition),
        frontier=None if frontier is None else -frontier,
    )
    return Step(node=step.node, change=turned)
