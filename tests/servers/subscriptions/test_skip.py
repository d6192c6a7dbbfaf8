"""`subscriptions skip`: the transaction that blocks, no other; all is recorded."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgconflict.core.conflict import Conflict
from pgconflict.core.lsn import parse_lsn
from tests.fixtures.operated import (
    Desk,
    errors,
    in_one_transaction,
    position,
    transactions,
    wait_for_errors,
    wait_for_stall,
)
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tests.fixtures.servers import Pair, Replicated

REASON = ("--apply", "--reason", "it's a test")


@contextmanager
def stalled(pair: Pair, **options: object) -> Iterator[Replicated]:
    """A table from a to b, where apply on b stands before the second transaction."""
    with pair.replicate(both=False, subscription=options) as one:
        pair.a.execute(f"insert into {one.table} values (1, 'first')")
        one.catch_up()
        pair.b.execute(f"insert into {one.table} values (7, 'local')")
        in_one_transaction(
            pair.a,
            f"insert into {one.table} values (5, 'five'), (6, null)",
            f"update {one.table} set v = 'changed' where id = 1",
            f"insert into {one.table} values (7, 'remote')",
            f"delete from {one.table} where id = 6",
        )
        pair.a.execute(f"insert into {one.table} values (8, 'after')")
        wait_for_errors(one.to_b)
        yield one


@pytest.mark.majors(15, 17, 19)
def test_the_plan_shows_what_would_be_lost_and_changes_nothing(
    pair: Pair, desk: Desk
) -> None:
    with stalled(pair) as one:
        ((xid, lsn),) = transactions(one.to_b, desk.record(one.to_b)).items()
        assert lsn is not None

        answer = desk.run("subscriptions", "skip", one.to_b.name, "--node", "b")
        document = desk.run(
            "subscriptions", "skip", one.to_b.name, "--node", "b", "--json"
        ).document

        assert answer.code == 0, answer.err
        assert "nothing was changed" in answer.out
        assert "5 changes would be lost" in answer.out
        assert f"SKIP (lsn = '{position(lsn)}')" in answer.out
        assert document["blocks"]
        assert document["proven_by_slot"]
        assert (document["remote_xid"], document["lsn"]) == (xid, position(lsn))
        assert document["publisher_known_by"] == "identity"
        assert [
            (change["operation"], change["key"], change["row"])
            for change in document["lost"]
        ] == [
            ("INSERT", {"id": "5"}, {"id": "5", "v": "five"}),
            ("INSERT", {"id": "6"}, {"id": "6", "v": None}),
            ("UPDATE", {"id": "1"}, {"id": "1", "v": "changed"}),
            ("INSERT", {"id": "7"}, {"id": "7", "v": "remote"}),
            ("DELETE", {"id": "6"}, None),
        ]
        assert document["changes_known"]
        skip_lsn = "select subskiplsn::text from pg_subscription where subname = %s"
        assert parse_lsn(pair.b.value(skip_lsn, [one.to_b.name])) == 0


def test_a_skip_is_watched_and_recorded(pair: Pair, desk: Desk) -> None:
    with stalled(pair) as one:
        desk.record(one.to_b)

        words = ("subscriptions", "skip", one.to_b.name, "--node", "b")
        document = desk.run(*words, *REASON, "--json").document
        one.catch_up()

        assert document["outcome"] == "skipped"
        rows = pair.b.execute(f"select id, v from {one.table} order by id")
        assert rows == [(1, "first"), (7, "local"), (8, "after")]
        ((*action,),) = desk.ask_log(
            "select action, node, subname, reason, outcome, changes, changes_known,"
            " publisher, ended_at > began_at from pgconflict.subscription_action"
            " where action_id = %s",
            document["action_id"],
        )
        assert action == [
            "skip", "b", one.to_b.name, "it's a test", "skipped", 5, True, "a", True,
        ]  # fmt: skip
        lost = desk.ask_log(
            "select operation, key ->> 'id', row_data ->> 'v'"
            " from pgconflict.lost_change where action_id = %s order by place",
            document["action_id"],
        )
        assert lost == [
            ("INSERT", "5", "five"),
            ("INSERT", "6", None),
            ("UPDATE", "1", "changed"),
            ("INSERT", "7", "remote"),
            ("DELETE", "6", None),
        ]
        statuses = desk.ask_log(
            "select distinct status from pgconflict.conflict_log where subname = %s"
            " and stalls",
            one.to_b.name,
        )
        assert statuses == [("skipped",)]
        # Once more, by the number: it is done with.
        again = desk.run(*words, "--lsn", document["lsn"], "--json")
        assert again.code == 3
        assert again.document["refusal"] == "resolved"


def peek(pair: Pair, statement: str, given: list[str]) -> list[tuple[Any, ...]]:
    """Look into a slot of node a between two attempts of the worker, who has it."""
    found: list[tuple[Any, ...]] = []

    def looked() -> bool:
        with suppress(psycopg.errors.ObjectInUse):
            found[:] = pair.a.execute(statement, given)
            return True
        return False

    wait_until(looked, "the slot is free")
    return found


@pytest.mark.majors(15, 16, 18)
def test_only_what_blocks_now_is_skipped(pair: Pair, desk: Desk) -> None:
    with stalled(pair) as one:
        ((_, lsn),) = transactions(one.to_b, desk.record(one.to_b)).items()
        assert lsn is not None
        words = ("subscriptions", "skip", one.to_b.name, "--node", "b", "--json")
        after = pair.a.value("select pg_current_wal_flush_lsn()::text")

        def refusal(lsn: str) -> str:
            answer = desk.run(*words, *REASON, "--lsn", lsn)
            assert answer.code == 3
            assert not answer.document["applied"]
            return str(answer.document["refusal"])

        assert refusal(after) == "no_such_transaction"
        assert refusal(position(lsn - 8)) == "no_such_transaction"
        assert refusal("0/1") == "past"
        # The next transaction of the publisher, which waits behind.
        peeked = peek(
            pair,
            "select lsn::text from pg_logical_slot_peek_binary_changes(%s, null, null,"
            " 'proto_version', '1', 'publication_names', %s)"
            " where get_byte(data, 0) = ascii('C') order by lsn",
            [one.to_b.name, f'"{one.to_b.publication}"'],
        )
        waiting = parse_lsn(peeked[-1][0])
        behind = next(
            parse_lsn(found)
            for (found,) in peek(
                pair,
                "select ('0/0'::pg_lsn + ('x' || encode(substr(data, 2, 8), 'hex'))"
                "::bit(64)::bigint::numeric)::text"
                " from pg_logical_slot_peek_binary_changes(%s, null, null,"
                " 'proto_version', '1', 'publication_names', %s)"
                " where get_byte(data, 0) = ascii('B') order by lsn desc",
                [one.to_b.name, f'"{one.to_b.publication}"'],
            )
        )
        assert lsn < behind < waiting
        assert refusal(position(behind)) == "not_next"


@pytest.mark.majors(15, 18)
def test_a_conflict_that_was_mended_meanwhile_is_not_skipped(
    pair: Pair, desk: Desk
) -> None:
    with stalled(pair) as one:
        desk.record(one.to_b)
        pair.b.execute(f"delete from {one.table} where id = 7")
        one.catch_up()

        answer = desk.run(
            "subscriptions", "skip", one.to_b.name, "--node", "b", *REASON, "--json"
        )

        assert answer.code == 3
        assert answer.document["refusal"] == "past"
        rows = pair.b.execute(f"select v from {one.table} where id in (1, 7)")
        assert sorted(rows) == [("changed",), ("remote",)]


@pytest.mark.majors(16, 19)
def test_a_disabled_subscription_is_enabled_if_asked(pair: Pair, desk: Desk) -> None:
    with stalled(pair, disable_on_error=True) as one:
        wait_until(
            lambda: (
                not pair.b.value(
                    "select subenabled from pg_subscription where subname = %s",
                    [one.to_b.name],
                )
            ),
            "it is disabled",
        )
        desk.record(one.to_b)
        words = ("subscriptions", "skip", one.to_b.name, "--node", "b")

        set_only = desk.run(*words, *REASON, "--json")
        assert set_only.code == 0
        assert set_only.document["outcome"] == "set"
        # The same once more, now with what lets it happen.
        enabled = desk.run(*words, *REASON, "--enable", "--json")
        assert enabled.code == 0, enabled.out
        assert enabled.document["outcome"] == "skipped"
        assert len(enabled.document["statements"]) == 2
        one.catch_up()
        rows = pair.b.execute(f"select id from {one.table} order by id")
        assert rows == [(1,), (7,), (8,)]


@pytest.mark.majors(15, 18)
def test_a_skip_that_is_not_met_is_said_and_can_be_taken_back(
    pair: Pair, desk: Desk
) -> None:
    """The worker can't reach the publisher, so that nothing is applied or skipped."""
    with stalled(pair) as one:
        desk.record(one.to_b)
        one.to_b.alter("connection 'host=127.0.0.1 port=1'")
        words = ("subscriptions", "skip", one.to_b.name, "--node", "b")

        answer = desk.run(*words, *REASON, "--wait", "1")
        other = desk.run(*words, "--lsn", "FFFF/FFFFFFF", "--json")

        assert answer.code == 3
        assert "only node with a slot of that name" in answer.out
        assert "still set after 1 s" in answer.out
        undo = answer.out.split("to take it back: ")[1].strip()
        assert other.document["refusal"] == "another_skip"
        pair.b.execute(undo)
        assert desk.run(*words).code == 0


@pytest.mark.majors(since=16)
def test_parallel_apply_has_no_lsn_until_the_publisher_is_asked(
    pair: Pair, desk: Desk
) -> None:
    pair.a.execute("alter system set logical_decoding_work_mem = '64kB'")
    pair.a.execute("select pg_reload_conf()")
    try:
        options = {"streaming": "parallel"}
        with pair.replicate(both=False, subscription=options) as one:
            pair.b.execute(f"insert into {one.table} values (7, 'local')")
            pair.a.execute(
                f"insert into {one.table} select i, repeat('x', 100)"
                " from generate_series(1, 3000) i"
            )
            wait_for_errors(one.to_b)
            logged = desk.record(one.to_b)
            words = ("subscriptions", "skip", one.to_b.name, "--node", "b")
            assert any(
                each.stalls and each.remote_commit_lsn is None for each in logged
            )

            document = desk.run(*words, *REASON, "--json").document

            assert document["outcome"] == "skipped", document
            assert document["changes"] == 3000
            one.catch_up()
            assert pair.b.value(f"select count(*) from {one.table}") == 1
            open_ones = desk.ask_log(
                "select 1 from pgconflict.conflict_log where subname = %s and stalls"
                " and status = 'open'",
                one.to_b.name,
            )
            assert open_ones == []
    finally:
        pair.a.execute("alter system reset logical_decoding_work_mem")
        pair.a.execute("select pg_reload_conf()")


@pytest.mark.majors(18)
def test_the_server_can_be_made_to_log_the_lsn(pair: Pair, desk: Desk) -> None:
    """Where the publisher's slot can't be looked at, and parallel apply hides it."""
    pair.a.execute("alter system set logical_decoding_work_mem = '64kB'")
    pair.a.execute("select pg_reload_conf()")
    pair.a.execute("drop role if exists plain; create role plain login")
    desk.knows(a=pair.a.cluster.dsn("app", user="plain"), b=pair.b.dsn)
    try:
        options = {"streaming": "parallel"}
        with pair.replicate(both=False, subscription=options) as one:
            pair.b.execute(f"insert into {one.table} values (7, 'local')")
            pair.a.execute(
                f"insert into {one.table} select i, repeat('x', 100)"
                " from generate_series(1, 3000) i"
            )
            wait_for_errors(one.to_b)
            desk.record(
                one.to_b,
                only=lambda each: (
                    isinstance(each, Conflict) and each.remote_commit_lsn is None
                ),
            )
            words = ("subscriptions", "skip", one.to_b.name, "--node", "b")
            refused = desk.run(*words)
            with recording(desk, one):
                found = desk.run(*words, *REASON, "--find-lsn")
            document = desk.run(*words, "--json").document

            assert refused.code == 3
            assert "--find-lsn" in refused.err
            assert found.code == 0, found.err
            assert document["blocks"]
            assert document["lsn"] in found.out
            assert not document["changes_known"]
            streaming = pair.b.value(
                "select substream from pg_subscription where subname = %s",
                [one.to_b.name],
            )
            assert streaming == "p"
    finally:
        pair.a.execute("alter system reset logical_decoding_work_mem")
        pair.a.execute("select pg_reload_conf()")


def pair_clock(one: Replicated) -> datetime:
    now: datetime = one.pair.b.value("select clock_timestamp()")
    return now


@contextmanager
def recording(desk: Desk, one: Replicated) -> Iterator[None]:
    """Record what the server logs from now on, as the daemon does."""
    stop = threading.Event()
    began = pair_clock(one)

    def follow() -> None:
        while not stop.wait(0.3):
            desk.record(one.to_b, only=lambda each: each.log_time > began)

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        yield
    finally:
        stop.set()
        follower.join()


@contextmanager
def password_needed(pair: Pair) -> Iterator[str]:
    """A connection string to a, of a role that must give its password."""
    file = pair.a.cluster.data_directory / "pg_hba.conf"
    before = file.read_text()
    pair.a.execute(
        "drop role if exists repl; create role repl login replication password 'geheim'"
    )
    file.write_text(f"host all repl 127.0.0.1/32 scram-sha-256\n{before}")
    pair.a.execute("select pg_reload_conf()")
    secret = "geheim"  # noqa: S105 - of a server that ends with the tests
    yield pair.a.cluster.dsn("app", user="repl", password=secret)
    file.write_text(before)
    pair.a.execute("select pg_reload_conf()")


@pytest.mark.majors(15, 16, 19)
def test_without_a_look_at_the_slot_the_record_and_the_failures_decide(
    pair: Pair, desk: Desk
) -> None:
    """A publisher that lets our role see names only; the owner of the subscription."""
    for node in pair.nodes:
        node.execute("drop role if exists plain; create role plain login")
    owner = "superuser" if pair.major == 15 else "in role pg_create_subscription"
    pair.b.execute(f"drop role if exists own; create role own login {owner}")
    pair.b.execute("grant create on database app to own")
    desk.knows(
        a=pair.a.cluster.dsn("app", user="plain"),
        b=pair.b.cluster.dsn("app", user="own"),
    )
    with password_needed(pair) as conninfo, stalled(pair) as one:
        lost = transactions(one.to_b, desk.record(one.to_b))
        pair.b.execute(f"grant all on {one.table} to own")
        one.to_b.alter(f"connection '{conninfo}'")
        one.to_b.alter("owner to own")
        wait_for_errors(one.to_b, errors(one.to_b) + 1)
        words = ("subscriptions", "skip", one.to_b.name, "--node", "b")

        document = desk.run(*words, "--json").document
        applied = desk.run(*words, *REASON)

        assert document["blocks"], document
        assert not document["proven_by_slot"]
        assert "replication slots" in document["not_peeked"]
        assert document["remote_xid"] in lost
        assert document["changes"] is None
        assert [change["operation"] for change in document["lost"]] == ["INSERT"]
        assert applied.code == 0, applied.out + applied.err
        assert "geheim" not in applied.out + applied.err
        one.to_b.alter("owner to postgres")
        one.catch_up()
        assert pair.b.value(f"select v from {one.table} where id = 7") == "local"
    pair.b.execute("drop owned by own; drop role own")


@pytest.mark.majors(15, 17)
def test_a_role_that_may_not_is_told_what_it_needs(pair: Pair, desk: Desk) -> None:
    pair.b.execute("drop role if exists plain; create role plain login")
    desk.knows(a=pair.a.dsn, b=pair.b.cluster.dsn("app", user="plain"))
    with stalled(pair) as one:
        desk.record(one.to_b)

        answer = desk.run(
            "subscriptions", "skip", one.to_b.name, "--node", "b", *REASON
        )

        assert answer.code == 77, answer.out
        wanted = "superuser" if pair.major == 15 else 'GRANT "postgres" TO "plain";'
        assert wanted in answer.err
        assert desk.ask_log(
            "select 1 from pgconflict.subscription_action where subname = %s",
            one.to_b.name,
        ) == []  # fmt: skip


@pytest.mark.majors(15, 19)
def test_what_comes_next_and_does_not_fail_is_not_skipped(
    pair: Pair, desk: Desk
) -> None:
    """The LSN is right, the subscription behind: still nothing stands in the way."""
    with pair.replicate(both=False) as one:
        one.to_b.alter("disable")
        wait_until(lambda: one.to_b.worker() is None, "no worker")
        pair.a.execute(f"insert into {one.table} values (1, 'x')")
        (next_one,) = pair.a.execute(
            "select ('0/0'::pg_lsn + ('x' || encode(substr(data, 2, 8), 'hex'))"
            "::bit(64)::bigint::numeric)::text"
            " from pg_logical_slot_peek_binary_changes(%s, null, null,"
            " 'proto_version', '1', 'publication_names', %s)"
            " where get_byte(data, 0) = ascii('B')",
            [one.to_b.name, f'"{one.to_b.publication}"'],
        )
        words = ("subscriptions", "skip", one.to_b.name, "--node", "b", "--json")

        assert desk.run(*words).document["refusal"] == "nothing_blocks"
        answer = desk.run(*words, "--lsn", next_one[0])

        assert answer.code == 3
        assert answer.document["refusal"] == "unproven"


@pytest.mark.majors(15, 19)
def test_a_prepared_transaction_and_difficult_names(pair: Pair, desk: Desk) -> None:
    pair.both("alter system set max_prepared_transactions = 10")
    for node in pair.nodes:
        node.cluster.restart()
    ddl = 'create table {t} (id int primary key, "Wert, ""x""" text)'
    options = {"two_phase": True}
    with pair.replicate(
        ddl, both=False, schemaname="We, ird", relname='T "q"', subscription=options
    ) as one:
        publication = 'p, "ü"'
        quoted = '"' + publication.replace('"', '""') + '"'
        pair.a.execute(f'alter publication "{one.to_b.publication}" rename to {quoted}')
        one.to_b.alter(f"set publication {quoted} with (refresh = false)")
        pair.b.execute(f"insert into {one.table} values (7, 'local')")
        with pair.a.connect() as connection:
            connection.execute("begin")
            connection.execute(f"insert into {one.table} values (7, 'remote')".encode())
            connection.execute("prepare transaction 'prepared, one'")
            # The renamed publication may make apply fail, too, for a while.
            wait_for_stall(one.to_b)
            connection.execute("commit prepared 'prepared, one'")
        desk.record(one.to_b)
        words = ("subscriptions", "skip", one.to_b.name, "--node", "b")

        plan = desk.run(*words)
        document = desk.run(*words, *REASON, "--json").document

        assert ", prepared" in plan.out
        assert document["outcome"] == "skipped", document
        assert document["lost"][0]["key"] == {"id": "7"}
        assert document["lost"][0]["row"]['Wert, "x"'] == "remote"
        one.catch_up()
        pair.a.execute(f'alter publication {quoted} rename to "{one.to_b.publication}"')


@pytest.mark.majors(18)
def test_a_skip_needs_a_reason_and_a_name(pair: Pair, desk: Desk) -> None:
    words = ("subscriptions", "skip", "nobody", "--node")

    assert desk.run(*words, "b", "--apply").code == 2
    assert desk.run(*words, "b").code == 2
    answer = desk.run(*words, "c")
    assert answer.code == 2
    assert "the nodes are a, b" in answer.err
    assert desk.run(*words, "b", "--lsn", "x").code == 2
    assert pair.b.major
