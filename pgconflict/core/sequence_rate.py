"""How fast sequences move: two looks, and the time between them."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgconflict.core.sequence import SequenceName, SequenceState

Rates = dict["SequenceName", float]


def rates(
    before: Mapping[SequenceName, SequenceState],
    after: Mapping[SequenceName, SequenceState],
    seconds: float,
) -> Rates:
    """Return how far sequences moved a second, as a distance between values.

    What stood still, moved back or could not be read has no entry.
    """
    found: Rates = {}
    for name, late in after.items():
        early = before.get(name)
        if early is None or early.last_value is None or late.last_value is None:
            continue
        moved = (late.used - early.used) * late.direction
        if moved > 0 and early.increment == late.increment:
            found[name] = moved / seconds
    return found


def distances(
    measured: Rates, states: Mapping[SequenceName, SequenceState], seconds: float
) -> dict[SequenceName, int]:
    """Return how far sequences will move in a time, rounded up.

    Sessions that reserve values take a block at once: one more block is counted.
    """
    return {
        name: ceil(rate * seconds) + (state.cache - 1) * abs(state.increment)
        for name, rate in measured.items()
        if (state := states.get(name)) is not None
    }
