"""Commits of one node placed against writes of another, by positions seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pgconflict.core.progress import (
    MOST,
    Placed,
    Sample,
    Samples,
    arrival,
    place_write,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST, SECOND = NOON, NOON + timedelta(hours=1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def samples(*seen: tuple[float, int, int], up_since: datetime = FIRST) -> Samples:
    """Samples of (second, position, oldest transaction), a tenth of a second long."""
    found = Samples()
    for second, position, xid in seen:
        found.add(Sample(at(second), at(second + 0.1), position, up_since, xid))
    return found


WRITTEN = samples((0, 100, 10), (2, 200, 20), (4, 300, 30))


def placed(applied: Samples, other: float, xid: int = 15) -> Placed | None:
    """Of a commit at 1 s, between 100 and 200, and a write at `other`."""
    return place_write(
        written=WRITTEN, applied=applied, commit=at(1), xid=xid, other=at(other)
    ).placed


@pytest.mark.parametrize(
    ("applied", "other", "expected"),
    [
        (samples((5, 200, 0), (7, 200, 0)), 6, Placed.SEEN),
        # Not certainly up to the commit.
        (samples((5, 199, 0), (7, 199, 0)), 6, None),
        # The sample was not over before the write.
        (samples((5, 200, 0), (7, 200, 0)), 5.05, None),
        # Whether the server crashed since, and lost what it had applied, is not known.
        (samples((5, 200, 0)), 6, None),
        (samples((5, 100, 0), (7, 100, 0)), 6, Placed.UNSEEN),
        (samples((7, 101, 0)), 6, None),
        # The sample began before the write.
        (samples((5.95, 100, 0)), 6, None),
        (samples(), 6, None),
    ],
)
def test_a_write_is_placed_by_the_samples_around_it(
    applied: Samples, other: float, expected: Placed | None
) -> None:
    assert placed(applied, other) is expected


def test_what_was_applied_before_a_crash_may_be_lost() -> None:
    applied = samples((5, 200, 0))
    applied.add(Sample(at(7), at(7.1), 200, SECOND))

    assert placed(applied, 6) is None
    applied.add(Sample(at(9), at(9.1), 200, SECOND))
    assert placed(applied, 8) is Placed.SEEN


def test_a_transaction_counts_once_it_has_ended() -> None:
    applied = samples((5, 200, 0), (7, 200, 0))

    assert placed(applied, 6, xid=19) is Placed.SEEN
    assert placed(applied, 6, xid=20) is None


def test_transaction_ids_wrap_around() -> None:
    applied = samples((5, 200, 0), (7, 200, 0))
    written = samples((0, 100, 5), (2, 200, (1 << 32) + 5))

    found = place_write(
        written=written,
        applied=applied,
        commit=at(1),
        xid=(1 << 32) - 3,
        other=at(6),
    )

    assert found.placed is Placed.SEEN


def test_a_commit_has_arrived_with_the_position_after_it() -> None:
    applied = samples((5, 199, 0), (7, 250, 0))

    def arrived(xid: int) -> datetime | None:
        return arrival(written=WRITTEN, applied=applied, commit=at(1), xid=xid)

    assert arrived(15) == at(7.1)
    assert arrived(25) is None


def test_a_clock_that_was_set_back_makes_all_before_void() -> None:
    applied = samples((5, 200, 0), (7, 200, 0), (6, 200, 0))

    assert len(applied) == 1


def test_old_samples_are_thinned_out() -> None:
    many = samples(*((second, second, 0) for second in range(MOST + 1)))

    assert len(many) < MOST
    newest = many.before(at(MOST - 0.5))
    assert newest is not None
    assert newest.position == MOST - 1
    oldest = many.before(at(0.5))
    assert oldest is not None
    assert oldest.position == 0
