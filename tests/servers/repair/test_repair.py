"""Rows that differ are made equal: on every version, once, without an echo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.core.repair import ORIGIN
from tests.fixtures.apart import apart, fill
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.operated import Answer, Desk
    from tests.fixtures.servers import Node, Pair, Replicated

TWO_WAY = pytest.mark.majors(16, 17, 18, 19)


def findings(desk: Desk, replicated: Replicated) -> list[int]:
    """The conflicts of all rows that differ."""
    answer = desk.run("--json", "conflicts", "verify", replicated.table)
    assert answer.out, answer.err
    return [row["conflict_id"] for row in answer.document["findings"]]


def repair(desk: Desk, ids: list[int], *words: str) -> tuple[Answer, list[Any]]:
    answer = desk.run(
        "--json", "conflicts", "repair", *map(str, ids), *words, "--reason", "test"
    )
    return answer, answer.lines


def rows(node: Node, replicated: Replicated) -> dict[int, str]:
    return dict(node.execute(f"select id, t::text from {replicated.table} t"))


def same(replicated: Replicated) -> bool:
    replicated.catch_up()
    a, b = replicated.pair.nodes
    return rows(a, replicated) == rows(b, replicated)


@TWO_WAY
def test_the_plan_changes_nothing_and_says_all(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 5)
        apart(replicated, "b", "update {t} set v = 'b''s' where id = 3")
        ids = findings(desk, replicated)
        before = rows(pair.b, replicated)

        text = desk.run("conflicts", "repair", str(ids[0]), "--winner", "a")
        answer, (plan,) = repair(desk, ids, "--winner", "a")

        assert rows(pair.b, replicated) == before
    assert (text.code, answer.code) == (0, 0)
    assert plan["outcome"] == "planned"
    assert plan["rows"][0]["b"]["row"] == {"id": "3", "v": "b's"}
    (statement,) = plan["statements"]["b"]
    assert statement.startswith("UPDATE")
    assert statement in text.out
    assert "nothing was changed" in text.out


@TWO_WAY
def test_updates_inserts_and_deletes_are_written_and_do_not_echo(
    pair: Pair, desk: Desk
) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 9)
        apart(replicated, "b", "update {t} set v = null where id = 1")
        apart(replicated, "b", "delete from {t} where id = 2")
        apart(replicated, "b", "insert into {t} values (100, E'x\\n''y\\\\')")
        ids = findings(desk, replicated)
        counted = errors_and_conflicts(pair)
        sent = changes_sent(replicated)

        answer, told = repair(desk, ids, "--winner", "a", "--apply")

        assert answer.code == 0, answer.out + answer.err
        assert [one["outcome"] for one in told] == ["repaired"] * 3
        assert same(replicated)
        assert findings(desk, replicated) == []
        assert sent() == 0
        assert errors_and_conflicts(pair) == counted
    stored = desk.ask_log(
        "select distinct outcome, winner, written, reason, ended_at is not null"
        " from pgconflict.repair where repair_id = any(%s)",
        [one["repair_id"] for one in told],
    )
    assert stored == [("repaired", "a", ["b"], "test", True)]
    assert desk.ask_log(
        "select distinct verdict, effect from pgconflict.conflict_log"
        " where conflict_id = any(%s)",
        ids,
    ) == [("converged", "none")]


@pytest.mark.majors(18, 19)
def test_the_next_change_of_a_repaired_row_tells_of_the_repair(
    pair: Pair, desk: Desk
) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 2)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1")
        repair(desk, findings(desk, replicated), "--winner", "a", "--apply")
        pair.a.execute(f"update {replicated.table} set v = 'next' where id = 1")
        replicated.catch_up()

        def entries() -> list[Any]:
            return [one for one in desk.record(replicated.to_b) if one.local_conflicts]

        wait_until(entries, "the server has logged it")
    ((origin, key),) = desk.ask_log(
        "select local_conflicts[1] ->> 'origin', replica_identity_text"
        " from pgconflict.conflict_log where conflict_type = 'update_origin_differs'"
    )
    assert (origin, key) == (ORIGIN, "(id)=(1)")


@TWO_WAY
def test_the_latest_version_wins(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 4)
        for subscription in replicated.subscriptions:
            subscription.alter("disable")
        pair.a.execute(f"update {replicated.table} set v = 'a first' where id = 1")
        pair.b.execute(f"update {replicated.table} set v = 'b later' where id = 1")
        pair.b.execute(f"update {replicated.table} set v = 'b first' where id = 2")
        pair.a.execute(f"update {replicated.table} set v = 'a later' where id = 2")
        for subscription in replicated.subscriptions:
            subscription.alter("enable")
        wait_until(lambda: same_streams(replicated), "both stream")
        assert not same(replicated)
        findings(desk, replicated)

        answer, told = repair(
            desk, [], "--all-diverged", "--winner", "latest", "--apply"
        )

        assert answer.code == 0, answer.out + answer.err
        assert {one["outcome"] for one in told} <= {"repaired", "equal"}
        assert same(replicated)
        found = dict(pair.a.execute(f"select id, v from {replicated.table}"))
    assert (found[1], found[2]) == ("b later", "a later")


@TWO_WAY
def test_a_row_that_was_written_since_is_not(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1")
        ids = findings(desk, replicated)
        before_writing(
            monkeypatch,
            lambda: pair.a.execute(
                f"update {replicated.table} set v = 'new' where id = 1"
            ),
        )

        answer, (told,) = repair(desk, ids, "--winner", "a", "--apply")

        assert (answer.code, told["outcome"]) == (3, "refused")
        assert "written since the plan" in told["said"][0]
        assert same(replicated)


@TWO_WAY
def test_a_changed_key_is_one_row(pair: Pair, desk: Desk) -> None:
    """Moved on one node, updated on the other: both keys are put right at once."""
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set id = 50, v = 'moved' where id = 1")
        ids = findings(desk, replicated)
        assert len(ids) == 2

        answer, told = repair(desk, ids, "--winner", "b", "--apply")

        assert answer.code == 0, answer.out + answer.err
        assert same(replicated)
        assert 50 in rows(pair.a, replicated)
        assert 1 not in rows(pair.a, replicated)
    assert {one["outcome"] for one in told} == {"repaired"}


@pytest.mark.majors(16, 18)
def test_foreign_keys_and_triggers_are_thought_of(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as parents:
        ddl = (
            "create table {t} (id int primary key,"
            f" v text, p int references {parents.table});"
            "create or replace function shout() returns trigger language plpgsql as"
            " $$ begin raise warning 'shout'; return new; end $$;"
            "create trigger quiet before update on {t}"
            " for each row execute function shout()"
        )
        with pair.replicate(ddl) as children:
            fill(parents, 3)
            fill(children, 3, "insert into {t} select n, 'v', 1")
            apart(children, "b", "update {t} set p = 3 where id = 2")
            apart(parents, "a", "delete from {t} where id = 3", replica=True)
            child = findings(desk, children)
            parent = findings(desk, parents)

            broken = repair(desk, child, "--winner", "b", "--apply")
            orphans = repair(desk, parent, "--winner", "a", "--apply")
            first = repair(desk, child, "--winner", "a", "--apply")
            second = repair(desk, parent, "--winner", "a", "--apply")

            assert same(children)
            assert same(parents)
    assert [one[1][0]["outcome"] for one in (broken, orphans)] == ["refused"] * 2
    assert "foreign key" in broken[1][0]["said"][0]
    assert "foreign key" in orphans[1][0]["said"][0]
    assert [one[1][0]["outcome"] for one in (first, second)] == ["repaired"] * 2
    assert first[1][0]["effects"]["b"]["silent"] == ["quiet"]
    assert first[1][0]["effects"]["b"]["foreign_keys"] != []


@pytest.mark.majors(15, 18)
def test_one_way_the_subscriber_can_be_written(pair: Pair, desk: Desk) -> None:
    with pair.replicate(both=False) as replicated:
        fill(replicated, 3)
        pair.b.execute(f"update {replicated.table} set v = 'b' where id = 1")
        ids = findings(desk, replicated)

        back, (told,) = repair(desk, ids, "--winner", "b", "--apply")
        here, (done,) = repair(desk, ids, "--winner", "a", "--apply")

        assert same(replicated)
    # The publisher's write would come back to the subscriber, whatever wrote it.
    assert (back.code, told["outcome"]) == (3, "refused")
    assert "origin = any" in told["said"][0]
    assert (here.code, done["outcome"]) == (0, "repaired")


@pytest.mark.majors(18)
def test_origin_any_and_unknown_readers_are_refused(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1")
        ids = findings(desk, replicated)
        pair.b.execute(
            "select pg_create_logical_replication_slot('somebody', 'pgoutput')"
        )
        try:
            unknown = repair(desk, ids, "--winner", "a", "--apply")
        finally:
            pair.b.execute("select pg_drop_replication_slot('somebody')")
        assert replicated.to_a is not None
        replicated.to_a.alter("set (origin = any)")
        echoes = repair(desk, ids, "--winner", "a", "--apply")

        assert rows(pair.b, replicated)[1] == "(1,b)"
    assert "slot somebody" in unknown[1][0]["said"][0]
    assert "origin = any" in echoes[1][0]["said"][0]
    assert (unknown[0].code, echoes[0].code) == (3, 3)


@pytest.mark.majors(18)
def test_what_is_asked_for_wrongly_says_so(desk: Desk) -> None:
    def asked(*words: str) -> tuple[int, str]:
        answer = desk.run("conflicts", "repair", *words)
        return answer.code, answer.err

    assert asked("--winner", "a")[0] == 2
    assert asked("1", "--all-diverged", "--winner", "a")[0] == 2
    assert asked("999999999", "--winner", "a")[0] == 2
    assert "no conflict 9" in asked("9" * 20, "--winner", "a")[1]
    assert "no conflict 9" in asked("9" * 20)[1]
    assert "latest, ask, or one of a, b" in asked("1", "--winner", "c")[1]


@pytest.mark.majors(18)
def test_a_role_that_may_not_learns_what_it_needs(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1")
        ids = findings(desk, replicated)
        pair.b.execute("create role mender login")
        pair.b.execute(f"grant select on {replicated.table} to mender")
        desk.knows(a=pair.a.dsn, b=f"{pair.b.dsn} user=mender")
        try:
            denied = desk.run(
                "conflicts", "repair", str(ids[0]), "--winner", "a", "--apply"
            )
            hint = denied.err.split("hint: ", 1)[1]
            pair.b.execute(hint)
            allowed, (told,) = repair(desk, ids, "--winner", "a", "--apply")
        finally:
            pair.b.execute("drop owned by mender; drop role mender")

        assert same(replicated)
    assert denied.code == 77
    # The remedy is no second refusal.
    assert denied.out.count("refused:") == 1
    assert denied.err.count("GRANT SELECT, INSERT") == 1
    assert (allowed.code, told["outcome"]) == (0, "repaired"), told


def before_writing(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    from pgconflict.server.repair import Repair

    real = Repair.apply

    def apply(self: Repair, committed: Callable[[str], None]) -> list[str]:
        do()
        return real(self, committed)

    monkeypatch.setattr(Repair, "apply", apply)


def same_streams(replicated: Replicated) -> bool:
    return all(subscription.streaming() for subscription in replicated.subscriptions)


def errors_and_conflicts(pair: Pair) -> list[Any]:
    return [
        node.execute(
            "select to_jsonb(s) - 'stats_reset' from pg_stat_subscription_stats s"
            " order by subid"
        )
        for node in pair.nodes
    ]


def changes_sent(replicated: Replicated) -> Callable[[], int]:
    """Count the changes of the table on b that its subscriber on a is sent."""
    assert replicated.to_a is not None
    connection = replicated.pair.b.connect()
    name = f"watch_{replicated.relname}"
    connection.execute(
        "select pg_create_logical_replication_slot(%s, 'pgoutput', true)", (name,)
    )

    def count() -> int:
        with connection:
            sent = connection.execute(
                "select data from pg_logical_slot_get_binary_changes(%s, null, null,"
                " 'proto_version', '1', 'publication_names', %s, 'origin', 'none')",
                (name, replicated.to_a.publication),  # type: ignore[union-attr]
            ).fetchall()
        return sum(bytes(row[0])[:1] in (b"I", b"U", b"D") for row in sent)

    return count
