"""What a look settles for when it can't tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pgconflict.core.conflict import Kind
from pgconflict.core.verdict import Reason, Verdict
from pgconflict.daemon.verdict.job import PATIENCE_S, lose_patience
from pgconflict.daemon.verdict.watch import Watch


def watched(before: Verdict | None, kind: Kind) -> Watch:
    due: Any = SimpleNamespace(
        verdict=before, kind=kind, cause=None, entry=SimpleNamespace(stalls=False)
    )
    return Watch(due)


def given(watch: Watch) -> Verdict | None:
    return watch.verdict


def given_up(before: Verdict | None, kind: Kind, reason: Reason) -> Verdict | None:
    watch = watched(before, kind)
    watch.give_up(Verdict.UNVERIFIABLE, reason)
    return watch.verdict


@pytest.mark.parametrize(
    ("before", "kind", "reason", "expected"),
    [
        (None, Kind.CONFLICT, Reason.PEER_AWAY, Verdict.UNVERIFIABLE),
        (Verdict.CONVERGED, Kind.CONFLICT, Reason.PEER_AWAY, Verdict.UNVERIFIABLE),
        # What differed is not well again because nobody can look.
        (Verdict.DIVERGED, Kind.CONFLICT, Reason.PEER_AWAY, Verdict.DIVERGED),
        (Verdict.DIVERGED, Kind.CONFLICT, Reason.APPLY_BEHIND, Verdict.DIVERGED),
        (Verdict.DIVERGED, Kind.CONFLICT, Reason.NO_PRIVILEGE, Verdict.DIVERGED),
        # The row can't be told any more.
        (Verdict.DIVERGED, Kind.CONFLICT, Reason.NO_TABLE, Verdict.UNVERIFIABLE),
        (Verdict.DIVERGED, Kind.DIFFERENCE, Reason.NO_TABLE, Verdict.DIVERGED),
    ],
)
def test_what_differed_does_so_until_it_is_seen_equal(
    before: Verdict | None, kind: Kind, reason: Reason, expected: Verdict
) -> None:
    assert given_up(before, kind, reason) is expected


def test_what_waits_is_given_up_after_long_or_when_its_subscription_is_gone() -> None:
    waits = watched(None, Kind.CONFLICT)
    lose_patience([waits])
    # Nobody had asked since.
    lose_patience([waits], waits.moved_at - 1)
    assert given(waits) is None

    lose_patience([waits], waits.moved_at + 1)
    assert given(waits) is Verdict.UNVERIFIABLE

    long = watched(None, Kind.CONFLICT)
    long.moved_at -= PATIENCE_S + 1
    lose_patience([long])
    assert given(long) is Verdict.UNVERIFIABLE
