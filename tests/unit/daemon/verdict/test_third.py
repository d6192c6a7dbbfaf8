"""Third nodes: which entry is about the same two writes, and what may come between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from pgconflict.conflict_log.verdicts import Skipped
from pgconflict.core.conflict import LocalConflict
from pgconflict.core.evidence import Cause
from pgconflict.core.row_entry import RowEntry
from pgconflict.daemon.verdict import causes
from pgconflict.daemon.verdict.causes import Causes
from pgconflict.daemon.verdict.history import Progress
from pgconflict.daemon.verdict.links import skipped_between, skipped_of_others
from pgconflict.daemon.verdict.straight import Straight
from pgconflict.daemon.verdict.tables import Tables
from pgconflict.daemon.verdict.third import (
    Writer,
    decision_of,
    same_writes,
    writer_of,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A, C = 1, 3
OF_C, OF_B_AT_C = 31, 23


def version(
    at: datetime = NOON, xid: int | None = 7, origin: str | None = None
) -> tuple[LocalConflict, ...]:
    kind: Any = "local" if origin is None else "origin"
    return (
        LocalConflict(
            xid=xid, commit_ts=at.isoformat(), origin=origin, origin_kind=kind
        ),
    )


MET_BY_A = RowEntry(
    conflict_id=1,
    system_identifier=A,
    subid=21,
    conflict_type="update_origin_differs",
    stalls=False,
    status="applied",
    first_logged_at=NOON,
    last_logged_at=NOON,
    attempts=1,
    operation="UPDATE",
    remote_xid=900,
    remote_at=NOON,
    remote_lsn=1,
    replica_identity={"id": "1"},
    replica_identity_text="(1)",
    remote_tuple=None,
    truncated_columns=(),
    local_conflicts=version(xid=55, origin=f"pg_{OF_C}"),
)
MET_BY_C = msgspec.structs.replace(
    MET_BY_A,
    conflict_id=2,
    system_identifier=C,
    subid=OF_B_AT_C,
    local_conflicts=version(),
)
THIRD: Any = SimpleNamespace(system_identifier=C)


def changed(**how: Any) -> RowEntry:
    return msgspec.structs.replace(MET_BY_C, **how)


@pytest.mark.parametrize(
    "other",
    [
        changed(system_identifier=A),
        changed(subid=24),
        changed(remote_xid=901),
        changed(remote_xid=None),
        # Another version of that node, or one that it had from elsewhere.
        changed(local_conflicts=version(NOON + timedelta(microseconds=1))),
        changed(local_conflicts=version(origin="pg_9")),
        changed(local_conflicts=()),
    ],
)
def test_only_an_entry_about_both_writes(other: RowEntry) -> None:
    writer = Writer(THIRD, frozenset({OF_B_AT_C}))

    assert same_writes(MET_BY_A, writer, [other]) is None
    assert same_writes(MET_BY_A, writer, [other, MET_BY_C]) is MET_BY_C


def test_what_proves_them_concurrent_is_part_of_the_event() -> None:
    assert decision_of(MET_BY_C, Cause.CONCURRENT).entries == (2,)
    assert decision_of(MET_BY_C, Cause.HAND_OVER).entries == ()


def sides(*, of_others: bool) -> Any:
    here = SimpleNamespace(
        subscriptions={
            OF_C: SimpleNamespace(publisher="c"),
            21: SimpleNamespace(publisher="b"),
        }
    )
    incoming = [
        SimpleNamespace(subid=OF_C, of_others=of_others),
        SimpleNamespace(subid=21, of_others=False),
    ]
    return SimpleNamespace(
        here=here,
        there=SimpleNamespace(name="b"),
        here_table=SimpleNamespace(incoming=incoming),
    )


def test_the_writer_is_who_sent_the_version() -> None:
    third = SimpleNamespace(
        subscriptions={
            OF_B_AT_C: SimpleNamespace(subid=OF_B_AT_C, publisher="b"),
            4: SimpleNamespace(subid=4, publisher="a"),
        }
    )
    of_b = sides(of_others=False)
    views: Any = {"b": of_b.there, "c": third}

    found = writer_of(MET_BY_A, of_b, views)

    assert found is not None
    assert found.view is views["c"]
    assert found.subids == {OF_B_AT_C}
    # It may only have passed the version on.
    assert writer_of(MET_BY_A, sides(of_others=True), views) is None
    assert writer_of(MET_BY_A, of_b, {"b": of_b.there}) is None
    assert writer_of(MET_BY_C, of_b, views) is None
    by_b = version(origin="pg_21")
    assert writer_of(changed(local_conflicts=by_b), of_b, views) is None
    of_a_copy = version(origin=f"pg_{OF_C}_16384")
    assert writer_of(changed(local_conflicts=of_a_copy), of_b, views) is None


def test_what_is_not_looked_for_is_a_doubt() -> None:
    watch: Any = SimpleNamespace(due=SimpleNamespace(entry=MET_BY_A), passed_at=1.0)
    there = SimpleNamespace(
        recorded_since=lambda _: True, logs_conflicts=False, commits_since=None
    )
    of_a: Any = SimpleNamespace(
        there=there, there_table=None, here_table=None, key=None
    )
    decider = Causes(Progress(), Tables())

    long_ago = decider._doubts_between(watch, NOON - timedelta(hours=25), of_a)
    lately = decider._doubts_between(watch, NOON - timedelta(hours=23), of_a)

    assert long_ago == ("what the other node logged that long ago is not looked for",)
    assert "the other node's server logs no conflicts" in lately


def test_only_what_was_skipped_since_the_version_came_is_a_doubt() -> None:
    of_a: Any = SimpleNamespace(here=SimpleNamespace(system_identifier=A))
    came = NOON - timedelta(seconds=9)

    def doubts(committed: datetime | None, came: datetime | None, subid: int) -> bool:
        skipped = {(A, subid): [Skipped(7, committed, NOON)]}
        return skipped_between(MET_BY_A, of_a, skipped, came) != []

    assert doubts(came, came, 21)
    assert doubts(NOON, came, 21)
    assert doubts(None, came, 21)
    assert doubts(NOON - timedelta(seconds=10), None, 21)
    assert not doubts(NOON - timedelta(seconds=10), came, 21)
    assert not doubts(NOON + timedelta(seconds=1), came, 21)
    assert not doubts(NOON, came, 22)


def test_changes_left_out_by_another_subscription_there_are_a_doubt() -> None:
    """Those of a transaction that was skipped as a whole changed nothing."""
    of_a: Any = SimpleNamespace(
        back=SimpleNamespace(subid=12), there=SimpleNamespace(system_identifier=2)
    )
    left_out = [Skipped(7, NOON, NOON), Skipped(8, NOON, NOON, applied=True)]

    assert skipped_of_others(of_a, {(2, 13): left_out}) != []
    assert skipped_of_others(of_a, {(2, 12): left_out, (1, 13): left_out}) == []
    assert skipped_of_others(of_a, {(2, 13): left_out[:1], (2, 14): []}) == []


def all_came(**changed: Any) -> bool:
    """Whether all that further nodes wrote is in the logs; with one thing changed."""

    def view(system: int) -> SimpleNamespace:
        known = {
            "system_identifier": system,
            "latest_clock": NOON + timedelta(seconds=5),
            "recorded_since": lambda _: True,
            "logs_conflicts": True,
            "complete_since": NOON - timedelta(hours=1),
            "commits_since": NOON - timedelta(hours=1),
        }
        return SimpleNamespace(**known | changed.get(f"of_{system}", {}))

    table = SimpleNamespace(changed_at=None)
    of_a: Any = SimpleNamespace(
        here=view(A),
        there=view(2),
        here_table=table,
        there_table=table,
        subscription=SimpleNamespace(subid=21),
        back=SimpleNamespace(subid=12),
    )
    seen: Any = SimpleNamespace(
        vacuumed=lambda *_: "vacuumed" in changed,
        same_since=lambda *_: NOON - timedelta(hours=1),
    )
    watch: Any = SimpleNamespace(
        due=SimpleNamespace(entry=changed.get("entry", MET_BY_A)),
        further_passed_at=changed.get("passed_at", 1.0),
    )
    further: Any = {(A, 31): (None, ""), (2, 32): (None, "")}
    straight = Straight(further, changed.get("age", timedelta(minutes=1)))
    skipped = changed.get("skipped", {})
    return Causes(Progress(), seen)._all_came(watch, of_a, straight, skipped)


def test_both_logs_tell_of_what_further_nodes_wrote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(causes, "doubts_of_keys", lambda _: [])

    assert all_came()
    lately, before = Skipped(7, None, NOON), Skipped(7, None, NOON - timedelta(1))
    left_out = Skipped(7, None, NOON - timedelta(1), applied=True)
    for way in ((A, 31), (2, 32)):
        # Nobody knows whether such a transaction was about the row.
        assert not all_came(skipped={way: [lately]})
        assert not all_came(skipped={way: [before, left_out]})
        assert all_came(skipped={way: [before]})
    # Of the two themselves, and of what is gone.
    assert all_came(skipped={(A, 21): [lately], (2, 12): [lately], (A, 9): [lately]})
    # The younger of the two versions may have been written before all was sent.
    assert not all_came(age=timedelta(seconds=5))
    assert not all_came(passed_at=None)
    assert not all_came(vacuumed=True)
    assert not all_came(entry=changed(local_conflicts=()))
    for node in ("of_1", "of_2"):
        assert not all_came(**{node: {"recorded_since": lambda _: False}})
        assert not all_came(**{node: {"logs_conflicts": False}})
        assert not all_came(**{node: {"complete_since": NOON}})
        assert not all_came(**{node: {"commits_since": None}})
    monkeypatch.setattr(causes, "doubts_of_keys", lambda _: ["printed otherwise"])
    assert not all_came()
