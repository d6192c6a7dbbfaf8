"""What several nodes logged of one event is one line, wherever a page ends."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.fixtures.conflict_logs import new_conflict_log, record
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.servers import ConflictLogServer

    Ask = Callable[..., str]
    Lines = Callable[..., list[dict[str, Any]]]

EFFECTS = ["none", "write_lost", "diverged", "unknown", None]
NUMBER = 240


@pytest.fixture(scope="module")
def filled(conflict_log_server: ConflictLogServer) -> str:
    """Conflicts over three days: some events of up to three, most of them harmless."""
    dsn = new_conflict_log(conflict_log_server)
    chance = random.Random(62)
    for node in "abc":
        entries = [
            entry(key=f"{n}", xid=n, line=n, at=chance.randrange(-86400, 86400))
            for n in range(NUMBER // 3)
        ]
        record(dsn, entries, node=node)
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "select conflict_id, first_logged_at from pgconflict.conflict_log"
        ).fetchall()
        chance.shuffle(rows)
        for number, _ in rows[:200]:
            connection.execute(
                "update pgconflict.conflict_log set verdict = 'converged', effect = %s"
                " where conflict_id = %s",
                (chance.choices(EFFECTS, [20, 3, 3, 1, 1])[0], number),
            )
        for place in range(0, 120, 3):
            members = rows[place : place + chance.choice((2, 3))]
            event_id = min(number for number, _ in members)
            for number, at in members:
                connection.execute(
                    "insert into pgconflict.conflict_event values (%s, %s, %s, '{}')",
                    (number, event_id, at),
                )
    return dsn


def expected(
    dsn: str, words: list[str], *, everything: bool
) -> dict[frozenset[int], tuple[str, int]]:
    """By event, where it stands: found without what is tested."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(
            "select conflict_id, first_logged_at::text, node, effect, event_id"
            " from pgconflict.conflict_log left join pgconflict.conflict_event"
            " using (conflict_id, first_logged_at)"
        ).fetchall()
    nodes = words[1::2]
    passing: dict[Any, list[tuple[str, int]]] = {}
    whole: dict[Any, set[int]] = {}
    for number, at, node, effect, event_id in rows:
        event = event_id or f"alone {number}"
        whole.setdefault(event, set()).add(number)
        if (not nodes or node in nodes) and (everything or effect != "none"):
            passing.setdefault(event, []).append((at, number))
    return {frozenset(whole[event]): max(places) for event, places in passing.items()}


@pytest.mark.parametrize("words", [[], ["--node", "b"]], ids=["all nodes", "one node"])
@pytest.mark.parametrize("everything", [False, True], ids=["harm", "all"])
@pytest.mark.parametrize("limit", [7, 1000])
def test_every_event_is_one_line_in_its_place(
    filled: str, lines: Lines, words: list[str], limit: int, *, everything: bool
) -> None:
    wanted = expected(filled, words, everything=everything)
    asked = [*words, *(["--all"] if everything else []), "--limit", limit]
    found: list[dict[str, Any]] = []
    cursor: list[str] = []
    while page := lines("list", *asked, *cursor, dsn=filled):
        found += page
        last = found[-1]
        cursor = ["--after", f"{last['first_logged_at']},{last['conflict_id']}"]

    shown = [
        frozenset(
            [one["conflict_id"] for one in each["event"]["members"]]
            if each["event"]
            else [each["conflict_id"]]
        )
        for each in found
    ]
    assert shown == sorted(wanted, key=lambda event: wanted[event], reverse=True)
    assert any(len(event) > 2 for event in shown)
    assert [each["conflict_id"] for each in found] == [wanted[one][1] for one in shown]


def test_the_oldest_first_leads_with_the_oldest(filled: str, lines: Lines) -> None:
    newest = lines("list", "--limit", 1000, dsn=filled)
    oldest = lines("list", "--limit", 1000, "--oldest-first", dsn=filled)

    def of(found: list[dict[str, Any]]) -> set[int]:
        return {each["event"]["event_id"] for each in found if each["event"]}

    assert of(newest) == of(oldest)
    assert len(newest) == len(oldest)


def test_the_line_has_all_numbers_and_the_worst_effect(
    filled: str, ask: Ask, lines: Lines
) -> None:
    rank = ["diverged", "write_lost", "unknown", None, "none"]
    found = [
        each for each in lines("list", "--limit", 1000, dsn=filled) if each["event"]
    ]
    shown = ask("list", "--limit", 1000, dsn=filled).splitlines()

    for each in found:
        members = each["event"]["members"]
        worst = min(rank.index(one["effect"]) for one in members)
        assert each["event"]["effect"] == rank[worst]
        numbers = ", ".join(str(one["conflict_id"]) for one in members)
        (line,) = [one for one in shown if one.strip().startswith(f"{numbers}  ")]
        assert line.endswith(f"  {rank[worst] or ''}".rstrip())


def test_show_has_all_sides(filled: str, ask: Ask, lines: Lines) -> None:
    found = next(e for e in lines("list", "--limit", 1000, dsn=filled) if e["event"])
    members = [one["conflict_id"] for one in found["event"]["members"]]

    documents = [
        json.loads(ask("show", number, "--json", dsn=filled)) for number in members
    ]
    shown = ask("show", members[0], dsn=filled)

    for document in documents:
        assert [one["conflict_id"] for one in document["event"]["members"]] == members
        assert document["event"]["members"][0]["detail"] == documents[0]["detail"]
    assert f"One event: conflicts {', '.join(map(str, members))}" in shown


def test_the_hours_count_effects_as_they_change(filled: str) -> None:
    """Whoever changes a row, by whatever statement; a day that goes takes its own."""
    counted = (
        "select hour, node, cause, effect, sum(conflicts) from pgconflict.effect_hour"
        " group by 1, 2, 3, 4 having sum(conflicts) <> 0 order by 1, 2, 3, 4"
    )
    rows = (
        "select date_trunc('hour', first_logged_at, 'UTC'), node, cause, effect,"
        " count(*) from pgconflict.conflict_log where verdict is not null"
        " group by 1, 2, 3, 4 order by 1, 2, 3, 4"
    )
    with psycopg.connect(filled) as connection:
        for statement in (
            "select",
            (
                "update pgconflict.conflict_log set effect = 'diverged',"
                " cause = 'unknown', verdict = 'diverged' where conflict_id % 5 = 0"
            ),
            "delete from pgconflict.conflict_log where conflict_id % 7 = 0",
            (
                "insert into pgconflict.conflict_log (kind, stalls, node,"
                " system_identifier, first_logged_at, last_logged_at, source, status,"
                " verdict, effect, identity, session_id, line_num)"
                " values ('difference', false, 'a', 1, '2026-11-20 12:00Z', now(),"
                " 'verify', 'applied', 'diverged', 'diverged', '\\x00', 's', 1)"
            ),
            "update pgconflict.conflict_log_20261120 set effect = 'none'",
            (
                "select pgconflict.drop_partitions('2026-11-21'),"
                " pgconflict.forget_verdicts('2026-11-21')"
            ),
        ):
            connection.execute(statement.encode())
            held = connection.execute(rows.encode()).fetchall()
            assert connection.execute(counted.encode()).fetchall() == held
        left = connection.execute(
            "select count(*) from pgconflict.conflict_event"
            " where first_logged_at < '2026-11-21'"
        ).fetchone()
        connection.rollback()

    assert left == (0,)
