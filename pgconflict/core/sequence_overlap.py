"""Whether two nodes' sequences can still give out the same value, decided exactly.

What a sequence gives out from now on is an arithmetic progression, and a second one
if it cycles. Two progressions meet or they don't: that is a proof, not a sample.
"""

from __future__ import annotations

from itertools import combinations, product
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgconflict.core.sequence import SequenceState


class Progression(NamedTuple):
    """`low`, `low + step`, ... up to `high`; `high` is one of them."""

    low: int
    step: int
    high: int


class Overlap(NamedTuple):
    """A value that two nodes will both give out if they go on."""

    one: str
    other: str
    value: int


def future(state: SequenceState) -> list[Progression]:
    """Return what it gives out from now on, in one round and, if it cycles, the next.

    A session that has reserved values (`cache` above 1) gives out some more: they are
    behind `last_value`, where no other node that was synchronised is.
    """
    step = abs(state.increment)
    ways = []
    following = state.used + state.increment
    if not state.is_beyond_bound(following):
        ways.append(_from(following, step, state))
    if state.cycle:
        ways.append(_from(state.origin, step, state))
    return ways


def _from(first: int, step: int, state: SequenceState) -> Progression:
    count = abs(state.bound - first) // step
    last = first + count * step * state.direction
    return Progression(min(first, last), step, max(first, last))


def first_common(one: Progression, other: Progression) -> int | None:
    """Return the least value that is in both; None proves that there is none.

    >>> first_common(Progression(1, 2, 99), Progression(2, 2, 100)) is None
    True
    >>> first_common(Progression(1, 2, 99), Progression(7, 3, 100))
    7
    """
    common = gcd(one.step, other.step)
    if (other.low - one.low) % common:
        return None
    # one.low + k * one.step = other.low (mod other.step), solved for k.
    modulus = other.step // common
    k = (other.low - one.low) // common * pow(one.step // common, -1, modulus) % modulus
    value = one.low + k * one.step
    # Common values lie one least common multiple apart.
    apart = one.step * modulus
    lowest = max(one.low, other.low)
    value += -(-(lowest - value) // apart) * apart
    return value if value <= min(one.high, other.high) else None


def overlaps(states: Mapping[str, SequenceState]) -> list[Overlap]:
    """Return one value for every two nodes that will both give it out.

    Args:
        states: One sequence, by node. Unreadable ones are left out by the caller.
    """
    found = []
    for (one, first), (other, second) in combinations(states.items(), 2):
        values = [
            value
            for pair in product(future(first), future(second))
            if (value := first_common(*pair)) is not None
        ]
        if values:
            found.append(Overlap(one, other, min(values)))
    return found
