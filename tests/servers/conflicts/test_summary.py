"""`conflicts summary`: its sums are those of the rows, at every level."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgconflict.core.conflict import Kind
from tests.fixtures.conflict_logs import new_conflict_log, record, renamed, stalled
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.servers import ConflictLogServer

    Ask = Callable[..., str]
    Lines = Callable[..., list[dict[str, Any]]]

SINCE = ("--since", "2026-11-19", "--until", "2026-11-22")
DAY = 86400


@pytest.fixture(scope="module")
def filled(conflict_log_server: ConflictLogServer) -> str:
    dsn = new_conflict_log(conflict_log_server)
    chance = random.Random(4)
    for node in "ab":
        entries = [
            entry(
                key=f"{n}",
                xid=n,
                line=n,
                at=chance.randrange(-DAY, DAY),
                conflict_type=chance.choice(["update_missing", "delete_missing"]),
                schemaname=chance.choice(["public", "shop", None]),
            )
            for n in range(120)
        ]
        entries += [stalled(number=n, xid=900 + n, lsn=n, line=900 + n) for n in (1, 2)]
        entries.append(
            renamed(
                entry(xid=990, lsn=99, line=990, key="", stalls=True),
                kind=Kind.APPLY_ERROR,
                conflict_type=None,
            )
        )
        record(dsn, entries, node=node)
        record(dsn, [stalled(number=1, xid=901, lsn=1, at=9, session="2.1")], node=node)
    return dsn


def counted(rows: list[dict[str, Any]], *fields: str) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[field] for field in fields) for row in rows)


def summed(entries: list[dict[str, Any]], *fields: str) -> dict[tuple[Any, ...], int]:
    return {
        tuple(each[field] for field in fields): each["conflicts"] for each in entries
    }


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--node", "a"],
        ["--table", "shop.t"],
        ["--type", "delete_missing", "--node", "b"],
        ["--kind", "apply_error"],
    ],
    ids=" ".join,
)
def test_sums_are_those_of_the_rows(
    filled: str, ask: Ask, lines: Lines, words: list[str]
) -> None:
    rows = lines("list", "--limit", 1000, *SINCE, *words, dsn=filled)
    document = json.loads(ask("summary", *SINCE, *words, "--json", dsn=filled))

    assert document["total"] == {
        "conflicts": len(rows),
        "attempts": sum(row["attempts"] for row in rows),
        "stalled": sum(row["stalls"] for row in rows),
    }
    assert summed(document["by_type"], "kind", "conflict_type") == counted(
        rows, "kind", "conflict_type"
    )
    assert summed(document["by_table"], "schemaname", "relname") == counted(
        rows, "schemaname", "relname"
    )
    assert summed(document["by_subscription"], "node", "subname") == counted(
        rows, "node", "subname"
    )
    hours = Counter(f"{row['first_logged_at'][:13]}:00:00Z" for row in rows)
    assert summed(document["by_time"], "time") == {(h,): n for h, n in hours.items()}
    assert document["bucket"] == "hour"
    ordered = [each["conflicts"] for each in document["by_type"]]
    assert ordered == sorted(ordered, reverse=True)


def test_a_longer_time_is_told_by_day(filled: str, ask: Ask) -> None:
    document = json.loads(
        ask(
            "summary",
            "--since",
            "2026-10-01",
            "--until",
            "2026-12-01",
            "--json",
            dsn=filled,
        )
    )

    assert document["bucket"] == "day"
    days = [datetime.fromisoformat(each["time"]) for each in document["by_time"]]
    assert [day.hour for day in days] == [0] * len(days)
    assert 2 <= len(days) <= 3


def test_text_has_tables_and_a_plot_without_gaps(filled: str, ask: Ask) -> None:
    shown = ask("summary", *SINCE, dsn=filled).splitlines()

    assert shown[0] == "246 conflicts since 2026-11-19 00:00 UTC"
    for title in ("type ", "table ", "node  subscription"):
        assert any(line.startswith(title) for line in shown)
    plot = shown[shown.index("", -50) + 1 :]
    hours = [datetime.strptime(line[:16], "%Y-%m-%d %H:%M") for line in plot]  # noqa: DTZ007
    assert {(b - a).seconds for a, b in pairwise(hours)} == {3600}
    bars = [line[16:].strip().partition("  ") for line in plot]
    assert max(len(bar) for _, _, bar in bars) == 40
    assert sum(int(count) for count, _, _ in bars) == 246


def test_a_sentence_says_what_it_did_to_the_data(dsn: str, ask: Ask) -> None:
    """An event that two nodes logged is one write lost; a row that differs is a row."""
    record(dsn, [entry(key=f"{n % 9}", xid=n, line=n, at=n) for n in range(1, 12)])
    assert "hand-over" not in ask("summary", *SINCE)
    told = [("hand_over", "none")] * 3
    told += [("concurrent", "write_lost")] * 4 + [("concurrent", "diverged")] * 2
    told += [("unknown", "unknown")]
    with psycopg.connect(dsn, autocommit=True) as connection:
        for number, (cause, effect) in enumerate(told, 1):
            connection.execute(
                "update pgconflict.conflict_log set verdict = 'converged', cause = %s,"
                " effect = %s where remote_xid = %s",
                (cause, effect, number),
            )
        connection.execute(
            "insert into pgconflict.conflict_event select conflict_id,"
            " (array[2, 4, 4, 7, 7, 8, 8])[remote_xid - 2], first_logged_at, '{}'"
            " from pgconflict.conflict_log where remote_xid between 3 and 9"
        )

    shown = ask("summary", *SINCE).splitlines()[1:3]
    effects = json.loads(ask("summary", *SINCE, "--json"))["effects"]

    assert shown == [
        (
            "11 conflicts logged: 3 hand-overs, 2 writes lost, 2 rows differ now,"
            " 1 unknown, 1 still to be looked at"
        ),
        "They are 8 events: 6 of these conflicts are 3, which several nodes logged",
    ]
    assert effects == {
        "hand_overs": 3,
        "harmless": 0,
        "writes_lost": 2,
        "rows_differing": 2,
        "apply_stopped": 0,
        "unknown": 1,
        "undecided": 1,
        "events": 8,
        "joined_events": 3,
        "joined_conflicts": 6,
    }


def test_nothing_is_nothing(ask: Ask) -> None:
    assert ask("summary").startswith("0 conflicts since ")
    assert json.loads(ask("summary", "--json"))["total"]["conflicts"] == 0
