"""What row filters leave of a difference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.core.conflict import Kind
from pgconflict.core.verdict import Reason, Row, Verdict, difference
from pgconflict.daemon.verdict.rows import weigh_filter
from pgconflict.daemon.verdict.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE, THERE = Row({"v": "a"}, "1"), Row({"v": "b"}, "2")
EQUAL = Row({"v": "a"}, "3")
MOVED = Row({"v": "m"}, "4")


def differing(*pairs: tuple[Row | None, Row | None], kind: Kind) -> Watch:
    due: Any = SimpleNamespace(
        verdict=None, kind=kind, cause=None, entry=SimpleNamespace(stalls=False)
    )
    watch = Watch(due)
    ours = tuple(one for one, _ in pairs)
    theirs = tuple(two for _, two in pairs)
    found = [difference(["v"], one, two) for one, two in pairs]
    watch.compare(ours, theirs, found)
    watch.compare(ours, theirs, found)
    assert watch.verdict is Verdict.DIVERGED
    return watch


def weighed(
    *pairs: tuple[Row | None, Row | None],
    passing: Mapping[int, bool | None],
    kind: Kind = Kind.CONFLICT,
) -> Watch:
    watch = differing(*pairs, kind=kind)
    weigh_filter(watch, ["v"], passing)
    return watch


BOTH = (HERE, THERE)
ALONE = (HERE, None)


@pytest.mark.parametrize(
    ("pair", "here", "there", "conflict", "finding"),
    [
        (BOTH, True, True, Verdict.DIVERGED, Verdict.DIVERGED),
        (BOTH, True, False, Verdict.UNVERIFIABLE, Verdict.DIVERGED),
        (BOTH, False, True, Verdict.UNVERIFIABLE, Verdict.DIVERGED),
        (BOTH, True, None, Verdict.UNVERIFIABLE, Verdict.DIVERGED),
        (BOTH, None, None, Verdict.UNVERIFIABLE, Verdict.DIVERGED),
        (BOTH, False, None, Verdict.UNVERIFIABLE, Verdict.DIVERGED),
        (BOTH, False, False, Verdict.UNVERIFIABLE, Verdict.UNVERIFIABLE),
        (ALONE, True, None, Verdict.UNVERIFIABLE, Verdict.DIVERGED),
        (ALONE, False, None, Verdict.UNVERIFIABLE, Verdict.UNVERIFIABLE),
    ],
)
def test_both_rows_must_pass_and_one_for_what_verify_has_found(
    pair: tuple[Row | None, Row | None],
    here: bool | None,  # noqa: FBT001 - a parameter
    there: bool | None,  # noqa: FBT001 - a parameter
    conflict: Verdict,
    finding: Verdict,
) -> None:
    passing = {id(HERE): here, id(THERE): there}
    for kind, verdict in ((Kind.CONFLICT, conflict), (Kind.DIFFERENCE, finding)):
        watch = weighed(pair, passing=passing, kind=kind)
        assert watch.verdict is verdict
        kept_back = verdict is Verdict.UNVERIFIABLE
        assert watch.reason is (Reason.ROW_FILTER if kept_back else None)


def test_nothing_is_known_where_the_filter_can_not_be_asked() -> None:
    assert weighed(BOTH, passing={}).verdict is Verdict.UNVERIFIABLE
    assert weighed(BOTH, passing={}, kind=Kind.DIFFERENCE).verdict is Verdict.DIVERGED


def test_the_key_that_passes_is_told_of_and_the_other_is_not() -> None:
    passing = {id(HERE): True, id(THERE): True, id(MOVED): True}

    watch = weighed((MOVED, None), BOTH, passing=passing)

    assert watch.verdict is Verdict.DIVERGED
    (found,) = watch.differences
    assert (found.one, found.two) == ({"v": "a"}, {"v": "b"})


def test_a_key_by_which_the_nodes_agree_counts_for_nothing() -> None:
    passing = {id(HERE): True, id(EQUAL): True, id(MOVED): False}
    watch = weighed((HERE, EQUAL), (MOVED, None), passing=passing)
    assert watch.verdict is Verdict.UNVERIFIABLE
    watch = weighed((HERE, EQUAL), (MOVED, None), passing=passing, kind=Kind.DIFFERENCE)
    assert watch.verdict is Verdict.UNVERIFIABLE
