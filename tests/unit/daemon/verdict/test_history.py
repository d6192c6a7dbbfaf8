"""When what a node had committed had arrived on another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pgconflict.daemon.verdict.history import Arrivals

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def rounds(*seen: tuple[float, int, int]) -> Arrivals:
    """Rounds of (clock, position of a, what b has confirmed on a's slot).

    b's clock is an hour ahead.
    """
    arrivals = Arrivals()
    for clock, position, confirmed in seen:
        a: Any = SimpleNamespace(
            name="a",
            clock=at(clock),
            position=position,
            slots={"s": confirmed},
            subscriptions={},
        )
        subscription = SimpleNamespace(publisher="a", slot_name="s")
        b: Any = SimpleNamespace(
            name="b",
            clock=at(3600 + clock),
            position=0,
            slots={},
            subscriptions={1: subscription},
        )
        views: Sequence[Any] = (a, b)
        arrivals.note(views)
    return arrivals


def test_a_commit_has_arrived_a_round_after_its_position_was_confirmed() -> None:
    arrivals = rounds((0, 100, 90), (2, 200, 100), (4, 300, 250), (6, 300, 300))

    # Committed by 0: in the WAL by 2 (200), confirmed at 4, read at 6.
    assert arrivals.applied_by("a", "s", at(0)) == at(3606)


def test_what_was_not_seen_to_arrive_is_not_known() -> None:
    arrivals = rounds((0, 100, 90), (2, 200, 100), (4, 300, 190))

    assert arrivals.applied_by("a", "s", at(0)) is None
    assert arrivals.applied_by("a", "s", at(4)) is None
    assert arrivals.applied_by("a", "other", at(0)) is None


def test_nothing_counts_of_a_node_that_is_another_now() -> None:
    arrivals = rounds((0, 100, 90), (2, 200, 200), (4, 200, 200), (6, 200, 200))
    assert arrivals.applied_by("a", "s", at(0)) is not None

    arrivals.forget("a")

    assert arrivals.applied_by("a", "s", at(0)) is None
