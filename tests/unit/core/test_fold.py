"""Entries to conflicts: each once, in whatever order and however often they come."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from pgconflict.core.conflict import Conflict, FinishLsn, Status, StoryEvent
from pgconflict.core.fold import Fold
from pgconflict.core.recogniser import Recogniser
from tests.bench.logs import missing_row
from tests.fixtures.corpus_logs import FORMATS, entries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.core.conflict import Entry
    from pgconflict.core.fold import Folded

START = datetime(2026, 11, 20, tzinfo=UTC)


def fold(found: Iterable[Entry]) -> list[Folded]:
    sum_of = Fold()
    for entry in found:
        sum_of.add(entry)
    return sum_of.conflicts()


@dataclass
class Maker:
    """Makes entries like a given one."""

    like: Conflict

    def entry(self, at: int, session: str = "a.1", **how: object) -> Conflict:
        known = {
            "log_time": START + timedelta(seconds=at),
            "session_id": session,
            "line_num": at,
        }
        return msgspec.structs.replace(self.like, **(known | how))

    def error(self, at: int, session: str = "a.1", **how: object) -> Conflict:
        return self.entry(at, session, severity="ERROR", stalls=True, **how)


@pytest.fixture
def maker() -> Maker:
    [entry] = Recogniser("jsonlog").feed(missing_row("jsonlog", 1))
    assert isinstance(entry, Conflict)
    return Maker(entry)


@pytest.mark.parametrize("run", ["15/main", "18/main", "19/main", "17/terse"])
def test_order_and_repetition_change_nothing(run: str) -> None:
    once = entries(run, "jsonlog")
    shuffled = [*once, *once[::3], *entries(run, "csvlog")]
    random.Random(3).shuffle(shuffled)

    def known(found: list[Folded]) -> list[tuple[object, ...]]:
        return sorted(
            (
                each.conflict.identity,
                each.attempts,
                each.first_logged_at,
                each.last_logged_at,
                each.remote_commit_lsn or 0,
                each.status,
                each.status_at,
            )
            for each in found
        )

    assert known(fold(shuffled)) == known(fold(once))


@pytest.mark.parametrize("run", ["15/main", "18/main", "19/fr", "18/verbose"])
def test_one_run_in_all_formats_is_the_run(run: str) -> None:
    """stderr has no session ids: the worker's pid and start tell the session."""
    alone = fold(entries(run, "jsonlog"))

    together = fold([entry for each in FORMATS for entry in entries(run, each)])

    assert [(each.conflict.identity, each.attempts) for each in together] == [
        (each.conflict.identity, each.attempts) for each in alone
    ]


def test_retries_are_attempts(maker: Maker) -> None:
    [found] = fold(maker.error(at, f"a.{at}") for at in (1, 6, 11))

    assert found.attempts == 3
    assert found.first_logged_at == START + timedelta(seconds=1)
    assert found.last_logged_at == START + timedelta(seconds=11)


def test_equal_entries_of_one_attempt_are_different_conflicts(maker: Maker) -> None:
    first = [maker.entry(at) for at in (1, 2, 3)]
    again = [maker.entry(at, "a.2") for at in (11, 12)]

    found = fold([*first, *again])

    assert [each.attempts for each in found] == [2, 2, 1]


def test_a_transaction_number_that_comes_round_is_another_transaction(
    maker: Maker,
) -> None:
    found = fold(
        [
            maker.entry(1, remote_commit_lsn=100),
            maker.entry(2, "a.2", remote_commit_lsn=900),
        ]
    )

    assert [each.remote_commit_lsn for each in found] == [100, 900]


def test_an_unknown_finish_lsn_matches_and_is_learnt(maker: Maker) -> None:
    parallel = maker.error(1, remote_commit_lsn=None)
    told = FinishLsn(
        log_time=START,
        remote_origin=parallel.remote_origin or "",
        remote_xid=parallel.remote_xid or 0,
        remote_commit_lsn=555,
    )

    [from_leader] = fold([parallel, told])
    [from_retry] = fold([parallel, maker.error(6, "a.2", remote_commit_lsn=555)])

    assert from_leader.remote_commit_lsn == 555
    assert (from_retry.remote_commit_lsn, from_retry.attempts) == (555, 2)


def test_a_conflict_is_applied_once_its_origin_moved_past_it(maker: Maker) -> None:
    stalled = maker.error(1, remote_commit_lsn=100)
    later = maker.entry(9, "a.2", remote_commit_lsn=200, identity=b"x" * 16)

    before = fold([stalled, maker.entry(9, remote_commit_lsn=50, identity=b"y" * 16)])
    after = fold([stalled, later])

    assert before[0].status is Status.OPEN
    assert after[0].status is Status.APPLIED
    assert after[0].status_at == later.log_time


def test_a_skipped_transaction_is_skipped(maker: Maker) -> None:
    stalled = maker.error(1, remote_commit_lsn=100, subname="s")
    skip = StoryEvent(
        what="skip_finished",
        log_time=START + timedelta(seconds=5),
        subname="s",
        lsn=100,
        pid=1,
    )

    [found] = fold([skip, stalled])
    [other] = fold([msgspec.structs.replace(skip, lsn=101), stalled])

    assert (found.status, found.status_at) == (Status.SKIPPED, skip.log_time)
    assert other.status is not Status.SKIPPED


def test_a_disabled_subscription_disables_its_last_conflict(maker: Maker) -> None:
    first = maker.error(1, remote_commit_lsn=100, subname="s", pid=1)
    last = maker.error(
        5, "a.2", remote_commit_lsn=200, subname="s", pid=2, identity=b"x" * 16
    )
    disabled = StoryEvent(
        what="disabled",
        log_time=START + timedelta(seconds=6),
        subname="s",
        lsn=None,
        pid=2,
    )

    found = fold([first, disabled, last])

    assert [each.status for each in found] == [Status.APPLIED, Status.DISABLED]


def test_what_did_not_stop_apply_is_applied(maker: Maker) -> None:
    [found] = fold([maker.entry(1)])

    assert (found.status, found.status_at) == (Status.APPLIED, found.first_logged_at)
