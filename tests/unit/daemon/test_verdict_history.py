"""Vacuums that may have been at work, and when a commit had arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pgconflict.daemon.verdict_history import Arrivals, Vacuums

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def looks(vacuums: Vacuums, *seen: tuple[float, float | None, bool]) -> Any:
    """Look at (clock, when the last vacuum ended, whether one is at work)."""
    for clock, ended, now in seen:
        view: Any = SimpleNamespace(system_identifier=1, clock=at(clock))
        table: Any = SimpleNamespace(
            relid=5,
            vacuumed_at=None if ended is None else at(ended),
            vacuums_now=now,
            vacuums=0 if ended is None else 1,
            vacuuming_ms=None,
        )
        vacuums.note(view, table)

    def at_work(since: float, until: float) -> bool:
        return vacuums.at_work(1, 5, at(since), at(until))

    return at_work


def test_a_table_never_looked_at_may_be_vacuumed() -> None:
    assert Vacuums().at_work(1, 5, at(0), at(1))


def test_a_vacuum_counts_from_the_look_before_it() -> None:
    at_work = looks(Vacuums(), (0, None, False), (10, 7, False), (20, 7, False))

    assert at_work(1, 2)
    assert at_work(6, 30)
    assert not at_work(7.5, 30)
    assert not at_work(-9, -1)


def test_what_ended_before_the_first_look_began_whenever() -> None:
    at_work = looks(Vacuums(), (10, 7, False))

    assert at_work(-100, -50)
    assert not at_work(8, 20)


def test_one_that_is_at_work_counts_until_it_ends() -> None:
    vacuums = Vacuums()
    at_work = looks(vacuums, (0, None, False), (10, None, True))
    assert at_work(1, 12)
    assert not at_work(-5, -1)

    looks(vacuums, (20, 15, False))
    assert at_work(1, 2)
    assert not at_work(16, 30)


def test_one_that_was_cancelled_counts_too() -> None:
    at_work = looks(Vacuums(), (0, None, False), (10, None, True), (20, None, False))

    assert at_work(5, 6)
    assert at_work(19, 25)
    assert not at_work(21, 25)


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
