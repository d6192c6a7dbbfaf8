"""A node takes over from another: what is behind, and what never comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.conflict_logs import new_conflict_log
from tests.fixtures.operated import Answer, Desk, wait_for_stall
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer, Pair

SWITCH = ("preflight", "--from", "a", "--to", "b", "--json")


@pytest.fixture
def desk(
    pair: Pair,
    conflict_log_server: ConflictLogServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    made = Desk(tmp_path, new_conflict_log(conflict_log_server), capsys)
    made.knows(a=pair.a.dsn, b=pair.b.dsn)
    return made


def counted(answer: Answer) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in answer.document["findings"]:
        if one["severity"] != "notice":
            found.setdefault(one["item"], []).append(one)
    return found


@pytest.mark.majors(15, 18, 19)
def test_what_is_there_is_safe_and_what_is_not_is_named(pair: Pair, desk: Desk) -> None:
    ddl = "create table {t} (id serial primary key, v text)"
    with pair.replicate(ddl, both=False) as one:
        pair.a.execute(f"insert into {one.table} values (1000, 'x')")
        one.catch_up()

        safe = desk.run(*SWITCH)

        assert safe.code == 0, safe.out
        assert safe.document["safe"]
        assert safe.document["method"] == "switchover"

        pair.a.execute(f"insert into {one.table} (v) values ('y'), ('z')")
        pair.a.execute("create table alone (id int primary key)")
        pair.a.execute("create unlogged table fleeting (id int)")
        pair.a.execute("create materialized view seen as select 1 as one")
        pair.a.execute("select lo_create(4711)")
        pair.b.execute(f"alter table {one.table} add more int")
        one.catch_up()
        try:
            unsafe = desk.run(*SWITCH)
        finally:
            pair.a.execute("drop table alone")
            pair.a.execute("drop table fleeting")
            pair.a.execute("drop materialized view seen")
            pair.a.execute("select lo_unlink(4711)")

        assert unsafe.code == 3
        found = counted(unsafe)
        assert set(found) == {
            "tables_missing", "tables_unpublished", "sequences", "large_objects",
            "not_carried",
        }  # fmt: skip
        missing = " ".join(each["seen"] for each in found["tables_missing"])
        assert '"public"."alone"' in missing
        assert f'with other columns: "public"."{one.relname}"' in missing
        assert f"{one.relname}_id_seq" in found["sequences"][0]["seen"]
        assert len(found["not_carried"]) == 2
        assert not any(
            each["pg_upgrade_refuses"] for each in unsafe.document["findings"]
        )


@pytest.mark.majors(16, 19)
def test_a_subscription_that_does_not_go_on(pair: Pair, desk: Desk) -> None:
    with pair.replicate(both=False) as one:
        pair.b.execute(f"insert into {one.table} values (1, 'local')")
        pair.a.execute(f"insert into {one.table} values (1, 'remote')")
        wait_for_stall(one.to_b)
        upgrade = ("preflight", "--from", "b", "--json")
        # Now and then there is a worker, for the moment that it takes to fail.
        wait_until(
            lambda: "apply_stopped" in counted(desk.run(*upgrade)),
            "that it does not apply is seen, though nobody has recorded why",
        )
        desk.record(one.to_b)

        stalled = counted(desk.run(*SWITCH, "--wait", "1"))
        one.to_b.alter("disable")
        disabled = counted(desk.run(*SWITCH, "--wait", "0"))
        accepted = desk.run(
            *SWITCH, "--wait", "0", "--accept", "not_caught_up",
            "--accept", "open_conflicts",
        )  # fmt: skip

        behind = {"not_caught_up", "open_conflicts"}
        assert behind <= set(stalled) <= behind | {"apply_stopped"}
        assert "is disabled" in disabled["not_caught_up"][0]["seen"]
        assert accepted.code == 0, accepted.out
        assert accepted.document["accepted"] == ["not_caught_up", "open_conflicts"]


@pytest.mark.majors(18)
def test_what_is_asked_must_make_sense(pair: Pair, desk: Desk) -> None:
    nothing = desk.run(*SWITCH)
    assert set(counted(nothing)) >= {"not_subscribed"}
    assert desk.run("preflight").code == 2
    assert desk.run("preflight", "--from", "a", "--to", "a").code == 2
    assert desk.run("preflight", "--from", "a", "--method", "switchover").code == 2
    assert desk.run("preflight", "--from", "a", "--to-version", "14").code == 2
    desk.knows(a="host=127.0.0.1 port=1", b=pair.b.dsn)
    assert desk.run(*SWITCH).code == 69


@pytest.mark.majors(16, 18)
def test_a_live_slot_is_consumed_when_its_subscriber_is_there(
    pair: Pair, desk: Desk
) -> None:
    """Of 18 it goes with pg_upgrade; of 16 it is lost whatever it holds."""
    with pair.replicate(both=False) as one:
        pair.a.execute(f"insert into {one.table} values (1, 'x')")

        answer = desk.run("preflight", "--from", "a", "--json")
        text = desk.run("preflight", "--from", "a")

        (slot,) = answer.document["old"]["slots"]
        assert slot["consumed"]
        items = set(counted(answer))
        assert items == ({"slots_lost"} if pair.major == 16 else set())
        assert ("NOT safe" in text.out) == (pair.major == 16)
