"""How long ago the publisher was where the subscriber is now."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pgconflict.daemon.lag import MOST_SAMPLES, WalHistory


def test_seconds_since_the_publisher_was_there() -> None:
    history = WalHistory()
    for now, lsn in ((0, 100), (5, 100), (10, 200), (15, 300)):
        history.add(now, lsn)

    assert history.seconds_behind(300, 20) == 0
    assert history.seconds_behind(299, 20) == 5
    assert history.seconds_behind(200, 20) == 5
    assert history.seconds_behind(100, 20) == 10
    assert history.seconds_behind(7, 20) == 20  # before it was watched


def test_a_publisher_that_went_back_begins_anew() -> None:
    history = WalHistory()
    history.add(0, 500)
    history.add(5, 400)
    history.add(10, 600)

    assert history.seconds_behind(450, 10) == 0
    assert history.seconds_behind(300, 10) == 5


@given(st.integers(MOST_SAMPLES, 20 * MOST_SAMPLES), st.data())
def test_years_of_samples_stay_few_and_recent_ones_exact(
    number: int, data: st.DataObject
) -> None:
    history = WalHistory()
    for now in range(number):
        history.add(now, now)
    recent = data.draw(st.integers(number - MOST_SAMPLES // 2, number - 1))
    older = data.draw(st.integers(0, number - 1))

    assert len(history._samples) <= MOST_SAMPLES
    assert history.seconds_behind(recent, number) in {0, number - recent - 1}
    # Never more than the truth.
    assert history.seconds_behind(older, number) <= number - older
