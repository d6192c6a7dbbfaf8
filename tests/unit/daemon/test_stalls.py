"""A subscription stands still from a counted error until a worker has outlived it."""

from __future__ import annotations

from pgconflict.daemon.stalls import PASSED_S, Stalls
from pgconflict.daemon.statistics import SubscriptionStatistics


def seen(
    errors: int, *, up: bool, subid: int = 1, name: str = "s"
) -> SubscriptionStatistics:
    return SubscriptionStatistics(
        subid=subid,
        name=name,
        database="app",
        enabled=True,
        worker_up=up,
        last_message=None,
        latest_end_lsn=None,
        apply_errors=errors,
        sync_errors={},
        conflicts={},
        stats_reset=None,
    )


def test_old_errors_are_no_stall() -> None:
    assert Stalls().look([seen(7, up=False)], 0) == {1: False}


def test_an_error_stalls_until_a_worker_lives_on() -> None:
    stalls = Stalls()
    stalls.look([seen(0, up=True)], 0)

    assert stalls.look([seen(1, up=False)], 1) == {1: True}
    assert stalls.look([seen(1, up=True)], 6) == {1: True}
    assert stalls.look([seen(2, up=True)], 7) == {1: True}
    assert stalls.look([seen(2, up=True)], 7 + PASSED_S - 1) == {1: True}
    assert stalls.look([seen(2, up=True)], 7 + PASSED_S) == {1: False}


def test_a_worker_that_is_gone_in_between_has_not_lived_on() -> None:
    stalls = Stalls()
    stalls.look([seen(0, up=True)], 0)
    stalls.look([seen(1, up=True)], 1)
    stalls.look([seen(1, up=False)], 2)

    assert stalls.look([seen(1, up=True)], 1 + PASSED_S) == {1: True}


def test_statistics_that_are_reset_are_no_error() -> None:
    stalls = Stalls()
    stalls.look([seen(5, up=True)], 0)

    assert stalls.look([seen(0, up=True)], 1) == {1: False}
    assert stalls.look([seen(1, up=True)], 2) == {1: True}


def test_one_that_is_dropped_and_made_again_begins_anew() -> None:
    stalls = Stalls()
    stalls.look([seen(0, up=True)], 0)
    stalls.look([seen(1, up=True)], 1)
    stalls.look([], 2)

    assert stalls.look([seen(1, up=True)], 3) == {1: False}
