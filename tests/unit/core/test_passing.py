"""Whether a third node may have passed a commit on, by positions that were seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pgconflict.core.cause import decide
from pgconflict.core.evidence import Cause, Logged
from pgconflict.core.further import Further
from pgconflict.core.passing import Commit, PositionsSeen, Way, kept_from
from pgconflict.core.progress import Placed, Positions, Sample, Samples

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A, B, C = 1, 2, 3
A_TO_C, C_TO_B = Way(A, C, 31), Way(C, B, 23)
WRITTEN = {A: [(0, 100), (2, 200)], C: [(0, 500), (2, 520), (4, 540), (6, 600)]}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def samples(*seen: tuple[float, int], up_since: datetime = NOON) -> Samples:
    """Samples of (second, position), a tenth of a second long."""
    found = Samples()
    for second, position in seen:
        found.add(Sample(at(second), at(second + 0.1), position, up_since))
    return found


# C had applied A up to 90 at 4.5 s, where it had written 540 at least, and 150 later.
APPLIED_BY_C = ((0.5, 90), (4.5, 90), (6.5, 150))


@pytest.mark.parametrize(
    ("by_c", "by_b", "expected"),
    [
        (APPLIED_BY_C, ((0.5, 400), (8, 540)), True),
        # B may have had what C wrote with A's commit.
        (APPLIED_BY_C, ((0.5, 400), (8, 541)), False),
        # How far B was after it had written is not known.
        (APPLIED_BY_C, ((0.5, 400), (6, 400)), False),
        # Another subscription may have brought it, before this one was there.
        (((0.5, 0), (4.5, 0), (6.5, 150)), ((0.5, 400), (8, 540)), False),
        (APPLIED_BY_C, ((0.5, 0), (6, 0), (8, 541)), False),
        # C never had it.
        (((0.5, 90), (4.5, 90), (6.5, 90)), ((0.5, 400), (8, 540)), True),
        # C had it before it was looked at.
        (((0.5, 150), (4.5, 150)), ((0.5, 400), (8, 400)), False),
        ((), ((0.5, 400), (8, 400)), False),
    ],
)
def test_a_third_node_passes_on_what_it_writes_after_it_came(
    by_c: tuple[tuple[float, int], ...],
    by_b: tuple[tuple[float, int], ...],
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A commits at 1 s, after 100; B writes at 7 s by a clock of its own."""
    assert kept(samples(*by_c), samples(*by_b)) is expected


def kept(
    by_c: Samples,
    by_b: Samples,
    ways: tuple[Way, ...] = (A_TO_C, C_TO_B),
    *,
    crashed: bool = False,
) -> bool:
    written = {node: samples(*seen) for node, seen in WRITTEN.items()}
    if crashed:
        written[C].add(Sample(at(8), at(8.1), 600, at(7)))
    applied = {(C, A_TO_C.subid): by_c, (B, C_TO_B.subid): by_b}
    seen = PositionsSeen(written, applied)
    return kept_from(Commit(A, at(1)), Commit(B, at(7)), ways, seen)


def test_what_was_copied_later_may_have_come_so() -> None:
    by_c, by_b = samples(*APPLIED_BY_C), samples((0.5, 400), (8, 540))
    copied = msgspec.structs.replace(A_TO_C, copied=101)
    before = msgspec.structs.replace(A_TO_C, copied=100)

    assert kept(by_c, by_b, (before, C_TO_B))
    assert not kept(by_c, by_b, (copied, C_TO_B))


def test_a_crash_moves_places() -> None:
    by_c, by_b = samples(*APPLIED_BY_C), samples((0.5, 400), (8, 540))

    assert not kept(by_c, by_b, crashed=True)


LATE = Logged(
    conflict_id=2,
    conflict_type="update_origin_differs",
    stalls=False,
    logged_at=at(9),
    last_logged_at=at(9),
    attempts=1,
    remote_at=at(1),
    remote_lsn=150,
    local_at=at(7),
    local_kind="local",
)
MET = msgspec.structs.replace(LATE, conflict_id=1, remote_at=at(7), local_at=at(1))


@pytest.mark.parametrize(
    ("further", "cause"),
    [
        (None, Cause.CONCURRENT),
        (Further(apart=True), Cause.CONCURRENT),
        (Further(), Cause.UNKNOWN),
    ],
)
def test_a_cause_needs_that_nobody_passed_it_on(
    further: Further | None, cause: Cause
) -> None:
    """The other node's entry stays part of the event."""
    decision = decide(MET, [LATE], [], [], further=further)

    assert decision.cause is cause
    assert decision.entries == (LATE.conflict_id,)


# B applied the version between 3 and 4 s, and wrote at 7 s.
SEEN = Positions(placed=Placed.SEEN, came_after=at(3))


def third(logged: float, **how: object) -> Logged:
    """What was logged about a change of a further node."""
    given = {"subid": 9, "logged_at": at(logged), "last_logged_at": at(logged)}
    return msgspec.structs.replace(LATE, **(given | how))


@pytest.mark.parametrize(
    ("positions", "further", "cause"),
    [
        (SEEN, None, Cause.HAND_OVER),
        (SEEN, Further(), Cause.HAND_OVER),
        (SEEN, Further(doubts=("it may be missing",)), Cause.UNKNOWN),
        (Positions(placed=Placed.SEEN), Further(), Cause.UNKNOWN),
        # Before the version came, between the two, after it was written upon.
        (SEEN, Further(entries=(third(2),)), Cause.HAND_OVER),
        (SEEN, Further(entries=(third(5),)), Cause.UNKNOWN),
        (SEEN, Further(entries=(third(7.5),)), Cause.HAND_OVER),
        (SEEN, Further(entries=(third(2), third(6))), Cause.UNKNOWN),
        # A later attempt met what had come meanwhile.
        (
            SEEN,
            Further(entries=(third(2, last_logged_at=at(5)),)),
            Cause.UNKNOWN,
        ),
    ],
)
def test_a_hand_over_among_three_needs_that_nothing_came_between(
    positions: Positions, further: Further | None, cause: Cause
) -> None:
    assert decide(MET, [], [], ["a doubt"], positions, further=further).cause is cause


# B logged that the version came, at 4 s.
CAME = msgspec.structs.replace(
    LATE, conflict_id=3, logged_at=at(4), last_logged_at=at(4), local_at=at(0.5)
)


@pytest.mark.parametrize(
    ("came", "further", "cause"),
    [
        (CAME, Further(), Cause.HAND_OVER),
        (CAME, Further(entries=(third(3.9),)), Cause.HAND_OVER),
        (CAME, Further(entries=(third(4.5),)), Cause.UNKNOWN),
        (CAME, Further(doubts=("it may be missing",)), Cause.UNKNOWN),
        # Another change of that node; tried again; about another row, perhaps.
        (
            msgspec.structs.replace(CAME, remote_at=at(0.9)),
            Further(),
            Cause.UNKNOWN,
        ),
        (msgspec.structs.replace(CAME, attempts=2), Further(), Cause.UNKNOWN),
        (msgspec.structs.replace(CAME, of_this_row=False), Further(), Cause.UNKNOWN),
        (msgspec.structs.replace(CAME, moves_here=True), Further(), Cause.UNKNOWN),
        # It met no row, and so did not become the row's version.
        (
            msgspec.structs.replace(
                CAME, conflict_type="update_missing", local_at=None
            ),
            Further(),
            Cause.UNKNOWN,
        ),
        # Within the millisecond in which B wrote.
        (
            msgspec.structs.replace(
                CAME, logged_at=at(7), last_logged_at=at(7), local_kind="origin"
            ),
            Further(),
            Cause.UNKNOWN,
        ),
    ],
)
def test_the_log_tells_when_a_version_came(
    came: Logged, further: Further, cause: Cause
) -> None:
    assert decide(MET, [came], [], ["more nodes"], further=further).cause is cause


def test_what_the_log_tells_is_later_than_what_positions_do() -> None:
    between = Further(entries=(third(3.5),))

    assert decide(MET, [CAME], [], [], SEEN, further=between).cause is Cause.HAND_OVER
    assert decide(MET, [], [], [], SEEN, further=between).cause is Cause.UNKNOWN
