"""Which write is gone, told by values, and only where they tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pgconflict.core.evidence import Cause
from pgconflict.core.lost import Lost, lost
from pgconflict.core.verdict import Effect, Verdict, effect_of

if TYPE_CHECKING:
    from pgconflict.core.conflict import Values


def version(value: str) -> Values:
    return {"id": "1", "v": value}


ONE, TWO, THREE = map(version, ("one", "two", "three"))


@pytest.mark.parametrize(
    ("row", "came", "met", "found"),
    [
        (ONE, ONE, TWO, Lost.LOCAL),
        (TWO, ONE, TWO, Lost.INCOMING),
        (THREE, ONE, TWO, Lost.EITHER),
        (None, ONE, TWO, Lost.EITHER),
        (ONE, ONE, ONE, Lost.NEITHER),
        (THREE, ONE, ONE, Lost.EITHER),
        # What is not kept of a row may be what differed.
        (ONE, {"id": "1"}, {"id": "1"}, Lost.EITHER),
        (ONE, None, None, Lost.EITHER),
        (ONE, {"id": "1"}, TWO, Lost.LOCAL),
    ],
)
def test_two_updates(
    row: Values | None, came: Values | None, met: Values | None, found: Lost
) -> None:
    told = lost("update_origin_differs", row=row, came=came, met=met, cut=())
    assert told is found


def test_a_value_that_was_cut_tells_nothing() -> None:
    told = lost("update_origin_differs", row=ONE, came=ONE, met=TWO, cut=["v"])
    assert told is Lost.EITHER
    told = lost("update_origin_differs", row=ONE, came=ONE, met=ONE, cut=["v"])
    assert told is Lost.EITHER


@pytest.mark.parametrize(
    ("kind", "read", "came", "met", "found"),
    [
        (
            "zone",
            "2026-01-01 00:00:00+00",
            *["2026-01-01 05:30:00+05:30"] * 2,
            "neither",
        ),
        (
            *("zone", "2026-01-01 00:00:00.5+00"),
            *("2026-01-01 05:30:00.5+05:30", "2026-01-01 00:00:00+00", "local"),
        ),
        # Of another DateStyle: only the two can be compared with each other.
        ("zone", "2026-01-02 00:00:00+00", *["02/01/2026 05:30:00 IST"] * 2, "neither"),
        ("date", "2026-01-02", *["02/01/2026"] * 2, "neither"),
        ("date", "2026-01-02", "02/01/2026", "01/02/2026", "either"),
        ("date", "2026-01-02", "2026-01-02", "2026-01-01", "local"),
        ("date", "2026-01-02", *["2026-01-01"] * 2, "either"),
        ("bytes", r"\x0102", *[r"\001\002"] * 2, "neither"),
        ("bytes", r"\x0102", r"\x01", r"\x0102", "incoming"),
        ("lossy", "0.30000000000000004", *["0.3"] * 2, "neither"),
        ("lossy", "{1}", "{2}", "{1}", "incoming"),
        ("text", "1", *["2"] * 2, "either"),
    ],
)
def test_what_prints_by_a_servers_settings(
    kind: str, read: str, *, came: str, met: str, found: str
) -> None:
    told = lost(
        "update_origin_differs",
        row=version(read),
        came=version(came),
        met=version(met),
        cut=(),
        prints={"id": "integer", "v": kind},
    )
    assert told == found


@pytest.mark.parametrize(
    ("conflict_type", "found"),
    [
        ("update_missing", Lost.INCOMING),
        ("update_deleted", Lost.INCOMING),
        ("delete_origin_differs", Lost.LOCAL),
    ],
)
def test_a_deletion_took_the_update_with_it(conflict_type: str, found: Lost) -> None:
    assert lost(conflict_type, row=None, came=None, met=None, cut=()) is found


@pytest.mark.parametrize(("same", "effect"), [(True, "none"), (False, "write_lost")])
def test_who_wrote_the_same_lost_nothing(*, same: bool, effect: str) -> None:
    found = effect_of(
        conflict_type="update_origin_differs",
        stalls=False,
        status="applied",
        verdict=Verdict.CONVERGED,
        cause=Cause.CONCURRENT,
        same=same,
    )
    assert found is Effect(effect)
