"""Several nodes that all give out values: who is far behind the furthest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.core.sequence import SequenceName, SequenceState, same_definition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgconflict.core.sequence_policy import Policy

States = "Mapping[SequenceName, SequenceState]"


def furthest(
    views: Mapping[str, Mapping[SequenceName, SequenceState]],
) -> dict[SequenceName, SequenceState]:
    """Return of each sequence the state that has given out the furthest value.

    Nodes with ranges of their own, or another definition, are not compared.
    """
    found: dict[SequenceName, SequenceState] = {}
    for states in views.values():
        for name, state in states.items():
            if state.last_value is None:
                continue
            best = found.get(name)
            if best is None or (
                same_definition(best, state)
                and (state.used - best.used) * state.direction > 0
            ):
                found[name] = state
    return found


def lag(state: SequenceState, best: SequenceState) -> int:
    """Return how many of its values a state is behind the furthest; 0: it is not."""
    if state.last_value is None or not same_definition(state, best):
        return 0
    return max(0, (best.used - state.used) * state.direction // abs(state.increment))


def far_behind(
    best: Mapping[SequenceName, SequenceState],
    states: Mapping[SequenceName, SequenceState],
    tolerance: Policy,
) -> dict[SequenceName, SequenceState]:
    """Return the furthest states of those sequences that lag by more than allowed."""
    found = {}
    for name, state in states.items():
        ahead = best.get(name)
        if ahead is None:
            continue
        behind = lag(state, ahead) * abs(state.increment)
        if behind > tolerance.distance(ahead):
            found[name] = ahead
    return found
