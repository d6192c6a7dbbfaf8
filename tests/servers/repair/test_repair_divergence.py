"""Writes of both nodes that never saw each other: found, put right, told to nobody."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.core.repair import ORIGIN
from tests.fixtures.apart import fill
from tests.fixtures.divergence import diverge, rows
from tests.fixtures.waiting import wait_until
from tests.proof.daemons import Daemon
from tests.servers.repair.test_repair import errors_and_conflicts, findings, repair

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.nodes import Subscription
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair

KEYS = 60


@pytest.mark.majors(16, 17, 18, 19)
def test_all_that_diverged_agrees_and_nothing_echoes(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, KEYS)
        last = diverge(replicated, keys=KEYS, seed=pair.major)
        before = [rows(node, replicated) for node in pair.nodes]
        differ = {
            key
            for key in before[0].keys() | before[1].keys()
            if before[0].get(key) != before[1].get(key)
        }
        found = findings(desk, replicated)
        assert len(found) == len(differ) > 5
        counted = errors_and_conflicts(pair)
        sent = [sends(subscription) for subscription in replicated.subscriptions]

        words = ["--all-diverged", "--winner", "latest", "--apply"]
        answer, told = repair(desk, [], *words)

        assert answer.code == 0, answer.out + answer.err
        outcomes = Counter(one["outcome"] for one in told)
        assert outcomes == {"repaired": len(differ)}
        replicated.catch_up()
        after = [rows(node, replicated) for node in pair.nodes]
        assert after[0] == after[1]
        for key in differ:
            # A deletion has no time: where one node has the row, it stays.
            value = after[0][key].strip("()").partition(",")[2]
            there = [one[key] for one in before if key in one]
            assert value == last[key] or len(there) == 1
        assert [count() for count in sent] == [0, 0]
        assert errors_and_conflicts(pair) == counted
        assert findings(desk, replicated) == []
        assert repair(desk, [], *words)[1] == []


@pytest.mark.majors(15)
def test_two_ways_on_15_are_refused_with_the_reason(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        pair.b.execute(f"update {replicated.table} set v = 'b' where id = 1")
        ids = findings(desk, replicated)

        answer, (told,) = repair(desk, ids, "--winner", "b", "--apply")

        assert rows(pair.a, replicated)[1] == "(1,v)"
    assert (answer.code, told["outcome"]) == (3, "refused")
    (said,) = told["said"]
    assert f"subscription {replicated.to_b.name} of node b has origin = any" in said
    assert "PostgreSQL 16 and later" in said


def sends(subscription: Subscription) -> Callable[..., int]:
    """Count what a subscription with origin = none is sent from now on.

    Looks at what it would get with origin = any too: that is where repairs are.
    """
    name = f"watch_{subscription.name}"
    # Of a slot that stays, repairs would be refused.
    connection = subscription.publisher.connect()
    connection.execute(
        "select pg_create_logical_replication_slot(%s, 'pgoutput', true)", (name,)
    )

    def changes(origin: str) -> list[bytes]:
        sent = connection.execute(
            "select data from pg_logical_slot_peek_binary_changes(%s, null, null,"
            " 'proto_version', '1', 'publication_names', %s, 'origin', %s)",
            (name, subscription.publication, origin),
        ).fetchall()
        return [bytes(one[0]) for one in sent]

    def count(*, repaired: bool = True) -> int:
        with connection:
            seen = any(ORIGIN.encode() in one for one in changes("any"))
            assert seen == repaired
            return sum(one[:1] in (b"I", b"U", b"D") for one in changes("none"))

    return count


@pytest.mark.majors(18, 19)
def test_the_next_change_is_recorded_and_does_no_harm(pair: Pair, desk: Desk) -> None:
    """PostgreSQL calls the change after a repair a conflict."""
    entries = (
        "select local_conflicts[1] ->> 'origin', verdict, cause, effect, conflict_id"
        " from pgconflict.conflict_log where relname = %s"
    )
    with pair.replicate() as replicated, Daemon(pair, desk.log_dsn) as daemon:
        fill(replicated, 1)

        def told(*wanted: tuple[str | None, ...]) -> list[tuple[Any, ...]]:
            rows = desk.ask_log(entries, replicated.relname)
            assert daemon.failure is None
            return rows if set(wanted) <= {row[:4] for row in rows} else []

        diverge(replicated, keys=1, writes=8, seed=3)
        met = (None, "diverged", "concurrent", "diverged")

        def both() -> list[tuple[Any, ...]]:
            rows = told(met)
            return rows if {row[:4] for row in rows} == {met} and len(rows) > 1 else []

        ids = [row[-1] for row in wait_until(both, "it is seen to differ")]
        answer, told_of = repair(desk, ids[:1], "--winner", "latest", "--apply")
        assert answer.code == 0, answer.out
        # The other node's conflict about the row is over with it.
        assert {row[1] for row in told()} == {"converged"}
        (writer,) = {"a", "b"} - set(told_of[0]["statements"])
        node = pair.a if writer == "a" else pair.b
        node.execute(f"update {replicated.table} set v = 'next' where id = 1")
        after = (ORIGIN, "converged", "hand_over", "none")
        rows = wait_until(lambda: told(after), "the next change has its effect")

    (number,) = [row[-1] for row in rows if row[0] == ORIGIN]
    assert number not in ids
    # What diverged and was put right has lost one of the two writes.
    assert {row[3] for row in rows if row[-1] in ids} == {"write_lost"}
    listed = desk.run("--json", "conflicts", "list")
    shown = {one["conflict_id"] for one in listed.lines}
    assert shown & set(ids)
    assert number not in shown
