"""What `conflicts show` says first: the harm, and which write is lost."""

from __future__ import annotations

from typing import Any

import pytest

from pgconflict.cli.conflict_effect import what_it_did
from pgconflict.conflict_log.looks import Look
from pgconflict.core.conflict import LocalConflict
from tests.fixtures.entries import NOON
from tests.fixtures.stored import conflict

AS_OF = ", as of 2026-11-20 12:00:00.000 UTC."
AT_ONCE = "The row was written on two nodes at once"
WRITES = conflict(
    "update_origin_differs",
    remote_xid=788,
    remote_tuple={"id": "1", "v": "theirs"},
    local_conflicts=[
        LocalConflict(
            xid=762,
            commit_ts="2026-11-20T11:59:00.123456+00:00",
            origin_kind="local",
            tuple={"id": "1", "v": "ours"},
        )
    ],
)
THEIRS = "that of transaction 788 of the publisher"
OURS = (
    "that of transaction 762 of node a, committed 2026-11-20 11:59:00.123 UTC"
    " (id=1, v=ours)"
)


def look(effect: str | None, verdict: str = "converged", **how: Any) -> Look:
    given: dict[str, Any] = {
        "looked_at": NOON,
        "reason": None,
        "columns": None,
        "row_values": None,
        "cause": "concurrent",
        "evidence": None,
    }
    return Look(verdict=verdict, effect=effect, **(given | how))


def said(*looks: Look, **how: Any) -> str:
    given = WRITES if not how else conflict("update_origin_differs", **how)
    return "\n".join(what_it_did(given, looks))


def test_where_nobody_looked_nothing_is_said() -> None:
    assert said() == ""


@pytest.mark.parametrize(
    ("found", "has", "has_not"),
    [("local", OURS, THEIRS), ("incoming", THEIRS, OURS)],
)
def test_the_lost_write_is_named(found: str, has: str, has_not: str) -> None:
    told = said(look("write_lost", evidence={"lost": found}))
    assert told.startswith(f"{AT_ONCE}, and one write is lost: {has}")
    assert has_not not in told
    assert told.endswith(f"Both nodes agree on the row{AS_OF}")


def test_where_values_do_not_tell_both_are_named() -> None:
    told = said(look("write_lost", evidence={"lost": "either"}))
    assert THEIRS in told
    assert f", or {OURS}." in told


def test_a_repair_says_whose_version_stayed() -> None:
    told = said(look("write_lost", evidence={"repair": 2, "winner": "b"}))
    assert "Repair 2 made the row equal: node b's version stayed." in told


def test_what_differs_is_named() -> None:
    rows = {"a": {"v": "1"}, "b": {"v": "2"}}
    told = said(look("diverged", "diverged", columns=["v"], row_values=rows))
    differs = "The row differs between node a and node b now, in v"
    assert told == f"{AT_ONCE}. {differs}{AS_OF}"
    gone = {"a": {"v": "1"}, "b": None}
    told = said(look("diverged", "diverged", columns=[], row_values=gone, cause=None))
    assert told.endswith(f"now: there is none on node b{AS_OF}")


@pytest.mark.parametrize(
    ("cause", "operation", "words"),
    [
        ("hand_over", "UPDATE", "the later write had seen the earlier one"),
        ("concurrent", "DELETE", "both nodes deleted the row"),
        ("concurrent", "UPDATE", "both nodes wrote the same values at once"),
    ],
)
def test_why_nothing_is_lost(cause: str, operation: str, words: str) -> None:
    told = said(look("none", cause=cause), operation=operation)
    assert told.startswith("Nothing: ")
    assert told.endswith(f"{words}{AS_OF}")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("no_privilege", "pgconflict's role may not read the table"),
        ("row_filter", "a row filter of a publication may be why"),
        ("a_new_one", "a_new_one"),
    ],
)
def test_why_it_can_not_be_told(reason: str, words: str) -> None:
    told = said(look("unknown", "unverifiable", reason=reason, cause="unknown"))
    assert told.startswith("Whether the nodes agree on the row can't be found out: ")
    assert words in told
    evidence = {"reason": "a clock was set back"}
    told = said(look("unknown", evidence=evidence, cause="unknown"))
    assert "whether a write was lost can't be told: a clock was set back" in told


def test_what_stands_still_is_said_before_anybody_looked() -> None:
    told = said(stalls=True, status="open", subname="from_b")
    assert told.startswith("Apply of subscription from_b on node a stands still on it")


def test_what_is_still_to_be_seen() -> None:
    told = said(look(None, "pending", reason="apply_behind", cause=None))
    assert told.startswith("It is still to be seen: apply has not brought everything")
