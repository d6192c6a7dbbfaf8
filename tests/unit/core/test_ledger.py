"""The ledger tells what is missing, and nothing that is only late."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from pgconflict.core.ledger import Account, Epoch, Reading

START = datetime(2026, 1, 1, tzinfo=UTC)


def reading(
    second: float,
    server: int,
    recorded: int,
    *,
    caught_up: bool = True,
    reset: datetime | None = None,
) -> Reading:
    at = START + timedelta(seconds=second)
    return Reading(at, server, recorded, reset, caught_up)


def run(account: Account, readings: list[Reading]) -> list[Epoch]:
    return [epoch for one in readings for epoch in account.read(one)]


def unaccounted(account: Account) -> int | None:
    return None if account.epoch is None else account.epoch.unaccounted


def test_what_was_before_us_is_no_difference() -> None:
    account = Account()
    run(account, [reading(n, 40, 25) for n in range(6)])

    assert account.epoch is not None
    assert (account.epoch.base, account.epoch.unaccounted) == (15, 0)
    run(account, [reading(6 + n, 45, 30) for n in range(10)])
    assert unaccounted(account) == 0


def test_a_conflict_that_nobody_recorded_is_missing() -> None:
    account = Account()
    run(account, [reading(n, 0, 0) for n in range(6)])
    run(account, [reading(6 + n, 3, 1) for n in range(3)])
    assert unaccounted(account) == 0  # it may still come
    run(account, [reading(9 + n, 3, 1) for n in range(6)])
    assert unaccounted(account) == 2
    run(account, [reading(15 + n, 3, 3) for n in range(6)])
    assert unaccounted(account) == 0  # it came after all


def test_a_recorded_entry_that_the_server_did_not_count_shows_as_negative() -> None:
    account = Account()
    run(account, [reading(n, 0, 0) for n in range(6)])
    run(account, [reading(6 + n, 0, 1) for n in range(8)])

    assert unaccounted(account) == -1


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_of_conflicts_is_never_a_difference(seed: int) -> None:
    """Counters a second late, entries recorded at once or a second late."""
    chance = random.Random(seed)
    account = Account()
    run(account, [reading(n, 0, 0) for n in range(6)])
    total = [0]
    for second in range(6, 200):
        total.append(total[-1] + chance.choice([0, 1, 500]))
        server = total[-1 - chance.randint(0, 1)] if len(total) > 2 else 0
        recorded = total[-1 - chance.randint(0, 1)] if len(total) > 2 else 0
        account.read(reading(second, server, recorded))
        assert unaccounted(account) == 0


def test_nothing_is_judged_while_the_log_is_not_read() -> None:
    account = Account()
    run(account, [reading(n, 0, 0) for n in range(6)])
    run(account, [reading(6 + n, 9, 0, caught_up=False) for n in range(20)])
    assert unaccounted(account) == 0
    run(account, [reading(30 + n, 9, 9) for n in range(6)])
    assert unaccounted(account) == 0


def test_a_crash_of_the_server_ends_the_epoch_and_begins_one() -> None:
    account = Account()
    run(account, [reading(n, 5, 5) for n in range(6)])
    changed = run(account, [reading(6 + n, 0, 5) for n in range(8)])

    assert [epoch.ended_by for epoch in changed][:2] == ["restart", None]
    assert account.epoch is not None
    assert (account.epoch.base, account.epoch.unaccounted) == (-5, 0)
    assert account.epoch.began_at >= START + timedelta(seconds=6)


def test_a_reset_of_the_statistics_ends_the_epoch() -> None:
    account = Account()
    run(account, [reading(n, 5, 5) for n in range(6)])
    changed = run(account, [reading(6 + n, 5, 5, reset=START) for n in range(8)])

    assert changed[0].ended_by == "reset"
    assert account.epoch is not None
    assert account.epoch.stats_reset == START


def test_an_epoch_goes_on_in_another_daemon() -> None:
    account = Account()
    run(account, [reading(n, 5, 3) for n in range(6)])
    other = Account(account.epoch)
    run(other, [reading(100 + n, 9, 6) for n in range(8)])

    assert unaccounted(other) == 1
    assert other.epoch is not None
    assert other.epoch.began_at == START
    crashed = Account(account.epoch)
    assert run(crashed, [reading(100, 1, 3)])[0].ended_by == "restart"


def test_a_dropped_subscription_ends_its_epoch() -> None:
    account = Account()
    assert account.drop() == []
    run(account, [reading(n, 5, 3) for n in range(6)])
    assert [epoch.ended_by for epoch in account.drop()] == ["dropped"]
