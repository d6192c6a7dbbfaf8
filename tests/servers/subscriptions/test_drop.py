"""`subscriptions drop`: nothing is left, nothing waits for ever, nothing is guessed."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.fixtures.nodes import numbers
from tests.fixtures.proxy import Proxy
from tests.fixtures.servers import Subscription
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Node, Pair

DROP = ("subscriptions", "drop")


def slots(node: Node) -> set[str]:
    return {
        name for (name,) in node.execute("select slot_name from pg_replication_slots")
    }


def left(node: Node, subid: int) -> list[Any]:
    """What the server has of a subscription, asked otherwise than by the command."""
    return node.execute(
        "select oid::text from pg_subscription where oid = %(id)s union all"
        " select roname from pg_replication_origin where roname like 'pg_' || %(id)s"
        " || '%%' union all select srrelid::text from pg_subscription_rel"
        " where srsubid = %(id)s",
        {"id": subid},
    )


def test_the_plan_then_the_drop_then_the_proof(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as one:
        subid, name = one.to_b.oid, one.to_b.name
        words = (*DROP, name, "--node", "b")

        plan = desk.run(*words)
        assert plan.code == 0, plan.err
        assert "nothing was changed" in plan.out
        assert one.to_b.worker() is not None
        answer = desk.run(*words, "--apply", "--reason", "no longer", "--json")

        document = answer.document
        assert answer.code == 0, answer.err
        assert document["outcome"] == "dropped"
        assert document["publisher_known_by"] == "identity"
        assert [slot["name"] for slot in document["slots"]] == [name]
        assert any("of WAL" in line for line in document["seen"])
        assert left(pair.b, subid) == []
        assert name not in slots(pair.a)
        # The other direction goes on.
        assert one.to_a is None or one.to_a.streaming()
        ((*recorded,),) = desk.ask_log(
            "select action, subname, outcome, reason, array_length(seen, 1) > 2"
            " from pgconflict.subscription_action where action_id = %s",
            document["action_id"],
        )
        assert recorded == ["drop", name, "dropped", "no longer", True]


@pytest.mark.majors(15, 17, 19)
def test_subscriber_and_publisher_on_the_same_server(pair: Pair, desk: Desk) -> None:
    """DROP SUBSCRIPTION alone waits for itself here, on older minor versions."""
    same = publish_to_itself(pair)
    for cache in pair.a.cluster.data_directory.rglob("pg_internal.init"):
        cache.unlink()
    began = time.monotonic()

    answer = desk.run(*DROP, same.name, "--node", "a", "--apply", "--json")

    assert answer.code == 0, answer.err
    assert answer.document["same_server"]
    assert answer.document["outcome"] == "dropped"
    assert same.name not in slots(pair.a)
    assert time.monotonic() - began < 10
    pair.a.execute(f"drop table {same.name}")
    pair.a.execute("drop database other with (force)", dbname="postgres")


def publish_to_itself(pair: Pair) -> Subscription:
    """A subscription of a to another database of a."""
    name = f"self_{pair.major}"
    pair.a.execute("drop database if exists other with (force)", dbname="postgres")
    pair.a.execute("create database other", dbname="postgres")
    pair.a.execute(
        f"create table {name} (id int primary key); create publication {name}"
        f" for table {name}",
        dbname="other",
    )
    pair.a.execute(
        f"select pg_create_logical_replication_slot('{name}', 'pgoutput')",
        dbname="other",
    )
    pair.a.execute(f"create table {name} (id int primary key)")
    made = Subscription(name, name, pair.a, pair.a)
    pair.a.execute(
        sql.SQL(
            "create subscription {} connection {} publication {}"
            " with (create_slot = false, slot_name = {}, copy_data = false)"
        ).format(
            sql.Identifier(name),
            sql.Literal(pair.a.cluster.dsn("other")),
            sql.Identifier(name),
            sql.Literal(name),
        )
    )
    wait_until(made.streaming, "it streams")
    return made


@contextmanager
def copying(pair: Pair, dsn: str) -> Iterator[Subscription]:
    """A subscription of b to `dsn` whose copy fails for ever: its key is there."""
    name = f"copy_{next(numbers)}"
    pair.both(
        f"create table {name} (id int primary key); insert into {name} values (1)"
    )
    pair.a.execute(f"create publication {name} for table {name}")
    made = Subscription(name, name, pair.a, pair.b)
    made.create({"copy_data": True})
    subid = made.oid
    wait_until(
        lambda: any(f"pg_{subid}_sync_" in slot for slot in slots(pair.a)),
        "the copy has made its slot",
    )
    made.alter(f"connection '{dsn}'")
    yield made
    for slot in slots(pair.a):
        if slot == name or f"pg_{subid}_" in slot:
            wait_until(partial(_drop, pair.a, slot), "the slot is free")
    pair.both(f"drop table {name}")
    pair.a.execute(f"drop publication {name}")


def test_unfinished_copies_leave_no_slot_and_no_origin(pair: Pair, desk: Desk) -> None:
    """A copy that fails for ever has a slot and an origin of its own."""
    with copying(pair, pair.a.dsn) as one:
        subid = one.oid

        answer = desk.run(*DROP, one.name, "--node", "b", "--apply", "--json")

        assert answer.code == 0, answer.err + answer.out
        assert answer.document["unfinished_tables"] == 1
        assert left(pair.b, subid) == []
        assert not [slot for slot in slots(pair.a) if f"pg_{subid}_" in slot]
        assert one.name not in slots(pair.a)


@pytest.mark.majors(18)
def test_a_publisher_that_does_not_answer_is_not_waited_for(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network goes silent while a table is not copied yet: DROP would ask."""
    monkeypatch.setattr("pgconflict.server.subscriptions.drop.DROP_TIMEOUT", "2s")
    with Proxy(pair.a.port) as proxy:
        silent = proxy.dsn(pair.a.dsn)
        with copying(pair, silent) as one:
            subid = one.oid
            desk.knows(b=pair.b.dsn, gone=silent)
            proxy.stall()
            words = (*DROP, one.name, "--node", "b", "--apply", "--json")

            refused = desk.run(*words)
            began = time.monotonic()
            answer = desk.run(*words, "--leave-slot", "--wait", "6")

            assert refused.code == 3
            assert "--leave-slot" in refused.document["hints"][0]
            assert answer.code == 3, answer.err
            assert answer.document["outcome"] == "slot_left"
            said = answer.document["seen"]
            assert any("waited for the publisher" in one for one in said)
            assert any("pg_drop_replication_slot" in one for one in said)
            assert left(pair.b, subid) == []
            assert time.monotonic() - began < 20
            proxy.restore()


def _drop(node: Node, slot: str) -> bool:
    node.execute(
        "select pg_terminate_backend(active_pid) from pg_replication_slots"
        " where slot_name = %s and active",
        [slot],
    )
    node.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
        " where slot_name = %s and not active",
        [slot],
    )
    return slot not in slots(node)


@pytest.mark.majors(15, 18)
def test_a_slot_that_may_be_another_subscriptions_is_not_dropped(
    pair: Pair, desk: Desk
) -> None:
    """Nothing but the name says whose it is: the publisher must be named."""
    pair.b.execute("drop role if exists plain; create role plain superuser login")
    with pair.replicate(both=False) as one:
        name = one.to_b.name
        one.to_b.alter("disable")
        one.to_b.alter("connection 'host=192.0.2.1 connect_timeout=1'")
        desk.knows(a=pair.a.dsn, b=pair.b.dsn)
        words = (*DROP, name, "--node", "b", "--apply")

        refused = desk.run(*words)

        assert refused.code == 3
        assert f"nothing proves that slot {name} on node a is" in refused.out
        assert name in slots(pair.a)
        assert one.to_b.oid
        named = desk.run(*words, "--publisher", "a")
        assert named.code == 0, named.err
        assert name not in slots(pair.a)


@pytest.mark.majors(15, 18)
def test_a_worker_that_waits_for_a_lock_is_ended(pair: Pair, desk: Desk) -> None:
    """It would not see that the subscription is disabled."""
    with pair.replicate(both=False) as one, pair.b.connect() as blocker:
        blocker.execute("begin")
        blocker.execute(f"lock table {one.table} in access exclusive mode".encode())
        pair.a.execute(f"insert into {one.table} values (1, 'x')")
        wait_until(
            lambda: pair.b.value(
                "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
                " and backend_type like 'logical replication%'"
            ),
            "the worker waits for the lock",
        )
        words = (*DROP, one.to_b.name, "--node", "b", "--apply")

        answer = desk.run(*words, "--wait", "4")

        assert answer.code == 0, answer.err
        assert "1 of its workers are terminated" in answer.err
        blocker.execute("rollback")
        outcomes = desk.ask_log(
            "select outcome from pgconflict.subscription_action where subname = %s",
            one.to_b.name,
        )
        assert outcomes == [("dropped",)]


@pytest.mark.majors(18)
def test_without_a_conflict_log_nothing_is_dropped(pair: Pair, desk: Desk) -> None:
    with pair.replicate(both=False) as one:
        desk.log_dsn = make_conninfo(desk.log_dsn, port=1)

        answer = desk.run(*DROP, one.to_b.name, "--node", "b", "--apply")

        assert answer.code == 69
        assert one.to_b.streaming()


@pytest.mark.majors(15, 18)
def test_privileges_that_are_missing_are_named_and_enough(
    pair: Pair, desk: Desk
) -> None:
    """Each hint is run, as superuser, until nothing is in the way."""
    pair.both(
        "drop role if exists dropper; create role dropper login;"
        "drop role if exists sub_owner; create role sub_owner superuser"
    )
    with pair.replicate(both=False) as one:
        one.to_b.alter("owner to sub_owner")
        desk.knows(
            a=pair.a.cluster.dsn("app", user="dropper"),
            b=pair.b.cluster.dsn("app", user="dropper"),
        )
        words = (*DROP, one.to_b.name, "--node", "b", "--publisher", "a", "--apply")

        refused = desk.run(*words)
        for hint in re.findall(r"(?m)^hint: ((?:GRANT|ALTER)[^;]+);", refused.err):
            pair.both(hint)
        answer = desk.run(*words)

        assert refused.code == 77, refused.out
        assert refused.out.count("in the way") == 2
        assert answer.code == 0, answer.err + answer.out
        assert one.to_b.name not in slots(pair.a)
