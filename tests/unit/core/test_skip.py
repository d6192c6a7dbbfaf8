"""Which transaction blocks, and every reason not to skip it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pgconflict.core.skip import Progress, Refusal, Stall, judge, settled
from pgconflict.core.transaction import Transaction

OPEN = Stall(lsn=100, xid=7, status="open")


def progress(**how: Any) -> Progress:
    known: dict[str, Any] = {
        "origin_lsn": 90, "confirmed_lsn": 80, "skip_lsn": 0, "enabled": True,
        "failing": False,
    }  # fmt: skip
    return Progress(**known | how)


def sent(lsn: int, xid: int = 7) -> Transaction:
    return Transaction(
        xid=xid,
        lsn=lsn,
        end_lsn=lsn + 8,
        commit_ts=datetime(2026, 11, 20, tzinfo=UTC),
        prepared=False,
        tables=(),
        changes=(),
        number=0,
    )


def test_the_slot_proves_what_comes_next() -> None:
    verdict = judge(None, [OPEN], progress(), [sent(100), sent(200, 8)])

    assert verdict.refusal is None
    assert verdict.proven
    assert (verdict.lsn, verdict.xid) == (100, 7)


@pytest.mark.parametrize(
    ("wanted", "stalls", "how", "pending", "refusal"),
    [
        (None, [], {}, None, Refusal.NOTHING_BLOCKS),
        # Passed, by the origin or by what the publisher was told.
        (None, [OPEN], {"origin_lsn": 101}, None, Refusal.PAST),
        (None, [OPEN], {"origin_lsn": None, "confirmed_lsn": 101}, None, Refusal.PAST),
        (50, [OPEN], {}, None, Refusal.PAST),
        # Done with, by the conflict log.
        (100, [Stall(lsn=100, xid=7, status="applied")], {"origin_lsn": None,
         "confirmed_lsn": None}, None, Refusal.RESOLVED),
        (100, [Stall(lsn=100, xid=7, status="skipped")], {}, None, Refusal.RESOLVED),
        # Another skip is under way.
        (None, [OPEN], {"skip_lsn": 300}, None, Refusal.ANOTHER_SKIP),
        # The slot knows better.
        (100, [], {"failing": True}, [sent(95, 6), sent(100)], Refusal.NOT_NEXT),
        (None, [OPEN], {}, [sent(200, 8)], Refusal.NO_SUCH_TRANSACTION),
        (None, [OPEN], {}, [], Refusal.NO_SUCH_TRANSACTION),
        # Named by the operator; nothing fails, or nobody can see whether.
        (100, [], {}, [sent(100)], Refusal.UNPROVEN),
        (100, [], {"enabled": False}, [sent(100)], Refusal.UNPROVEN),
        (100, [], {"failing": True}, None, Refusal.UNPROVEN),
        # Without the slot: the record and what was seen.
        (None, [OPEN], {}, None, Refusal.UNPROVEN),
        (200, [OPEN, Stall(lsn=200, xid=8, status="open")], {"failing": True}, None,
         Refusal.NOT_NEXT),
        # Parallel apply.
        (None, [Stall(lsn=None, xid=7, status="open")], {}, None, Refusal.NO_LSN),
        (None, [Stall(lsn=None, xid=7, status="open")], {}, [sent(100, 9)],
         Refusal.NOT_COMMITTED),
        (None, [Stall(lsn=None, xid=7, status="open")], {},
         [sent(95, 9), sent(100)], Refusal.UNPROVEN),
        # Those before it may not have been passed: nothing was seen to fail.
        (None, [OPEN], {}, [sent(95, 6), sent(100)], Refusal.UNPROVEN),
    ],
)  # fmt: skip
def test_what_is_refused(
    wanted: int | None,
    stalls: list[Stall],
    how: dict[str, Any],
    pending: list[Transaction] | None,
    refusal: Refusal,
) -> None:
    verdict = judge(wanted, stalls, progress(**how), pending)

    assert verdict.refusal is refusal
    assert verdict.because


@pytest.mark.parametrize(
    ("wanted", "stalls", "how", "pending"),
    [
        (None, [OPEN], {"failing": True}, None),
        (None, [OPEN], {"enabled": False}, None),
        (100, [OPEN], {"skip_lsn": 100}, [sent(100)]),
        (100, [], {"failing": True}, [sent(100)]),
        # The transaction before it was applied, which our role can't see.
        (None, [OPEN], {"origin_lsn": None, "failing": True}, [sent(95, 6), sent(100)]),
        (None, [Stall(lsn=None, xid=7, status="open")], {}, [sent(100)]),
        # The one before it changed nothing: no origin moved, it is sent each time.
        (None, [OPEN], {"failing": True}, [sent(95, 6), sent(100)]),
        # What the conflict log left open is past; what follows is not.
        (None, [Stall(lsn=50, xid=5, status="open"), OPEN], {}, [sent(100)]),
        (None, [Stall(lsn=100, xid=7, status="disabled")], {"enabled": False}, None),
    ],
)
def test_what_blocks(
    wanted: int | None,
    stalls: list[Stall],
    how: dict[str, Any],
    pending: list[Transaction] | None,
) -> None:
    verdict = judge(wanted, stalls, progress(**how), pending)

    assert verdict.refusal is None, verdict.because
    assert (verdict.lsn, verdict.xid) == (100, 7 if stalls or pending else None)


def test_the_publisher_is_not_troubled_for_what_is_clear() -> None:
    assert settled(None, [], progress())
    assert settled(50, [OPEN], progress())
    assert not settled(None, [OPEN], progress())
    assert not settled(None, [Stall(lsn=None, xid=7, status="open")], progress())
