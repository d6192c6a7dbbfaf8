"""Every guard of the decision: without it, what is here would be decided otherwise.

Node a logs that b's change, committed at `B`, met a's own version of `A`; what b
logged about a's changes is the evidence.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from pgconflict.core.cause import decide
from pgconflict.core.evidence import FROZEN, Cause, Logged
from pgconflict.core.progress import Placed, Positions

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLACED = "an entry of the other node can't be placed in time"


def at(milliseconds: float) -> datetime:
    return NOON + timedelta(milliseconds=milliseconds)


A, B = at(0), at(10)


def entry(**how: Any) -> Logged:
    """An update of b that met a's version."""
    given: dict[str, Any] = {
        "conflict_id": 1,
        "conflict_type": "update_origin_differs",
        "stalls": False,
        "logged_at": at(20),
        "last_logged_at": at(20),
        "attempts": 1,
        "remote_at": B,
        "remote_lsn": 100,
        "local_at": A,
        "local_kind": "local",
    }
    return Logged(**(given | how))


def mirrored(**how: Any) -> Logged:
    """What b logged about a change of a, which it had applied before it wrote."""
    given: dict[str, Any] = {
        "conflict_id": 2,
        "logged_at": at(5),
        "last_logged_at": at(5),
        "remote_at": at(-1),
        "local_at": at(4),
    }
    return entry(**(given | how))


@pytest.mark.parametrize(
    ("one", "others", "cause"),
    [
        (entry(), [], Cause.HAND_OVER),
        (entry(), [mirrored()], Cause.HAND_OVER),
        # Its commit time does not matter: it was applied before b wrote.
        (entry(), [mirrored(remote_at=None)], Cause.HAND_OVER),
        (entry(), [mirrored(local_at=B, logged_at=at(12))], Cause.CONCURRENT),
        # A later change of a, which the entry is not about.
        (
            entry(),
            [mirrored(local_at=B, logged_at=at(12), remote_at=at(1))],
            Cause.HAND_OVER,
        ),
        # The last attempt met another version, perhaps.
        (entry(attempts=2), [], Cause.UNKNOWN),
        # The change of a was tried again after b had written.
        (entry(), [mirrored(attempts=2, last_logged_at=at(15))], Cause.UNKNOWN),
        (entry(), [mirrored(attempts=2, last_logged_at=at(8))], Cause.HAND_OVER),
        # It stopped apply after b had written: not applied before.
        (
            entry(),
            [mirrored(stalls=True, last_logged_at=at(15))],
            Cause.CONCURRENT,
        ),
        # Not the version of a session, or none that could be placed.
        (entry(local_kind="origin"), [], Cause.UNKNOWN),
        (entry(local_at=None, local_kind=None), [], Cause.UNKNOWN),
        (
            entry(conflict_type="insert_exists", local_at=None, local_kind=None),
            [mirrored(local_at=B, logged_at=at(12))],
            Cause.UNKNOWN,
        ),
        (entry(conflict_type="update_missing", local_at=None), [], Cause.UNKNOWN),
        (entry(remote_at=None), [], Cause.UNKNOWN),
        (entry(), [mirrored(moves_here=True)], Cause.UNKNOWN),
    ],
)
def test_decided(one: Logged, others: list[Logged], cause: Cause) -> None:
    assert decide(one, others, [], []).cause is cause


def test_times_and_lsns_are_compared_of_one_publisher() -> None:
    """A third node's WAL may be longer and its clock behind, and nobody's set back."""
    concurrent = [mirrored(local_at=B, logged_at=at(12))]
    third = entry(conflict_id=3, subid=2, remote_lsn=999, remote_at=at(-60_000))
    before = replace(third, subid=1)

    assert decide(entry(subid=1), concurrent, [third], []).cause is Cause.CONCURRENT
    assert decide(entry(subid=1), concurrent, [before], []).cause is Cause.UNKNOWN

    # Nor with each other: one that came later may be from before.
    stopped = entry(conflict_id=3, stalls=True, remote_at=at(11))
    assert decide(entry(subid=1), [], [replace(stopped, subid=1)], []).cause is (
        Cause.HAND_OVER
    )
    assert decide(entry(subid=1), [], [replace(stopped, subid=2)], []).cause is (
        Cause.UNKNOWN
    )

    # What was handed over by another node says nothing of this one's row.
    gone = mirrored(conflict_type="delete_missing", remote_at=at(-5))
    earlier = entry(conflict_id=4, logged_at=at(6), remote_at=at(6), handed_over=True)
    assert decide(entry(subid=1), [gone], [replace(earlier, subid=1)], []).cause is (
        Cause.HAND_OVER
    )
    assert decide(entry(subid=1), [gone], [replace(earlier, subid=2)], []).cause is (
        Cause.UNKNOWN
    )


@pytest.mark.parametrize(
    ("one", "others"),
    [
        # Both in one millisecond of b's log.
        (
            entry(),
            [mirrored(conflict_type="update_missing", local_at=None, logged_at=B)],
        ),
        # When it was applied nobody knows.
        (entry(), [mirrored(stalls=True)]),
        # a's log time is cut: the change may have come before or after it.
        (
            entry(conflict_type="update_missing", local_at=None, logged_at=at(20)),
            [mirrored(local_at=B, logged_at=at(12), remote_at=at(20.5))],
        ),
        (entry(), [mirrored(local_at=B, logged_at=at(12), remote_at=None)]),
    ],
)
def test_what_can_not_be_placed_is_left_open(one: Logged, others: list[Logged]) -> None:
    decision = decide(one, others, [], [])

    assert (decision.cause, decision.reason) == (Cause.UNKNOWN, PLACED)


def test_a_clock_that_was_set_back_leaves_all_open() -> None:
    first = mirrored(conflict_id=2, remote_lsn=50, remote_at=at(-1))
    second = mirrored(conflict_id=3, remote_lsn=60, remote_at=at(-2))

    assert decide(entry(), [first, second], [], []).cause is Cause.UNKNOWN
    assert decide(entry(remote_lsn=40), [], [mirrored()], []).cause is Cause.UNKNOWN


def test_a_doubt_leaves_an_absence_open_and_no_proof() -> None:
    proof = mirrored(local_at=B, logged_at=at(12))

    assert decide(entry(), [], [], ["why"]).reason == "why"
    assert decide(entry(), [proof], [], ["why"]).cause is Cause.CONCURRENT


def test_what_stopped_apply_leaves_an_absence_open() -> None:
    stopped = mirrored(stalls=True, remote_at=at(5), last_logged_at=at(15))

    assert decide(entry(), [], [stopped], []).cause is Cause.UNKNOWN


def test_a_proof_is_about_this_row() -> None:
    later = {"logged_at": at(12), "local_at": B}
    unreadable = mirrored(of_this_row=False, **later)
    found = decide(entry(), [unreadable], [], [])
    assert (found.cause, found.entries) == (Cause.UNKNOWN, ())
    assert found.reason == "an entry of the other node may be about another row"
    found = decide(entry(), [unreadable, mirrored(conflict_id=3, **later)], [], [])
    assert (found.cause, found.entries) == (Cause.CONCURRENT, (3,))


GONE = mirrored(conflict_id=5, conflict_type="delete_missing", local_at=None)
"""The row may have come as an INSERT since: that would not have been logged."""

APPLIED = mirrored(conflict_id=6, remote_at=A)
"""What a had written and b met was applied before b wrote."""

STILL_THERE = mirrored(
    conflict_id=7, remote_at=at(30), logged_at=at(40), local_at=B, last_logged_at=at(40)
)
"""A later change of a met what b had written."""


@pytest.mark.parametrize("told", [APPLIED, STILL_THERE])
def test_the_other_node_tells_that_it_had_applied_the_version(told: Logged) -> None:
    assert decide(entry(), [GONE], [], []).cause is Cause.UNKNOWN
    assert decide(entry(), [GONE, told], [], []).cause is Cause.HAND_OVER
    assert decide(entry(), [GONE, told], [], ["a doubt"]).cause is Cause.UNKNOWN
    assert decide(entry(attempts=2), [told], [], []).cause is Cause.UNKNOWN
    assert decide(entry(), [told], [], [FROZEN]).cause is Cause.HAND_OVER
    assert decide(entry(), [], [], [FROZEN]).cause is Cause.UNKNOWN


@pytest.mark.parametrize(
    "told",
    [
        # Of a row that got this key in the same transaction; b may have come between.
        replace(APPLIED, moves_here=True),
        replace(APPLIED, of_this_row=False),
        # Sent again, perhaps after b had written.
        replace(APPLIED, attempts=2),
        # It changed nothing there.
        replace(APPLIED, conflict_type="update_missing", local_at=None),
        # Of a change that was sent before the version that b met.
        replace(STILL_THERE, remote_at=at(-0.5), logged_at=at(8), last_logged_at=at(8)),
        # What b had written was not there any more.
        replace(STILL_THERE, local_at=at(35)),
        replace(STILL_THERE, local_kind="origin"),
    ],
)
def test_nor_is_that_told_by_less(told: Logged) -> None:
    assert decide(entry(), [GONE, told], [], []).cause is not Cause.HAND_OVER


def test_a_version_that_changed_nothing_there_was_not_seen() -> None:
    """A change of the key that met no row leaves what b wrote under the new one."""
    missed = replace(
        APPLIED, conflict_id=8, conflict_type="update_missing", local_at=None
    )

    assert decide(entry(), [GONE, STILL_THERE, missed], [], []).cause is Cause.UNKNOWN


@pytest.mark.parametrize("committed", [A, None])
def test_nor_was_one_whose_time_is_not_known(committed: datetime | None) -> None:
    """It may be the version's: applied before b wrote, and no row was there."""
    missed = mirrored(
        conflict_type="update_missing", local_at=None, remote_at=committed
    )
    seen = Positions(placed=Placed.SEEN)

    assert decide(entry(), [], [], ["a doubt"], seen).cause is Cause.HAND_OVER
    assert decide(entry(), [missed], [], ["a doubt"], seen).cause is Cause.UNKNOWN
