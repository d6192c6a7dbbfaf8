"""A skip LSN that is cleared was not always met: what is done and said then."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pgconflict.config import Limits, Node
from pgconflict.server.connect import connect_async
from pgconflict.server.subscriptions import facts, skip
from pgconflict.server.subscriptions.skip_watch import Outcome, Result, Watch
from tests.fixtures.operated import Desk, transactions, wait_for_errors
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.servers import Pair, Replicated

REASON = ("--apply", "--reason", "a test")


@contextmanager
def stalled_behind_nothing(pair: Pair, number: int = 2) -> Iterator[Replicated]:
    """Apply fails at a transaction that others come before, which change nothing.

    Their rows are missing on the subscriber: they are given no number there, so that
    the origin stays before them and the publisher sends them again at each attempt.
    """
    with pair.replicate(both=False) as one:
        for row in range(number):
            pair.a.execute(f"insert into {one.table} values ({row + 100}, 'there')")
        one.catch_up()
        pair.b.execute(f"delete from {one.table}")
        pair.b.execute(f"insert into {one.table} values (7, 'local')")
        one.to_b.alter("disable")
        wait_until(lambda: one.to_b.worker() is None, "no worker")
        for row in range(number):
            pair.a.execute(f"update {one.table} set v = 'x' where id = {row + 100}")
        pair.a.execute(f"insert into {one.table} values (7, 'remote'), (8, 'lost')")
        pair.a.execute(f"insert into {one.table} values (9, 'after')")
        one.to_b.alter("enable")
        wait_for_errors(one.to_b)
        yield one


def test_a_skip_that_an_earlier_transaction_clears_is_set_again(
    pair: Pair, desk: Desk
) -> None:
    with stalled_behind_nothing(pair) as one:
        ((xid, _),) = transactions(one.to_b, desk.record(one.to_b)).items()
        words = ("subscriptions", "skip", one.to_b.name, "--node", "b")

        document = desk.run(*words, *REASON, "--json").document

        assert document["outcome"] == "skipped", document
        assert document["remote_xid"] == xid
        assert document["seen"][-1] == "the log says that it was skipped"
        # Of the transaction itself, not of those before it.
        assert document["changes_known"]
        assert [one["key"]["id"] for one in document["lost"]] == ["7", "8"]
        one.catch_up()
        rows = pair.b.execute(f"select id, v from {one.table} order by id")
        assert rows == [(7, "local"), (9, "after")]


@pytest.mark.majors(15, 18)
def test_without_origin_and_log_the_server_is_asked_by_setting_it(
    pair: Pair, desk: Desk
) -> None:
    """Our role sees neither; a skip LSN that is past is refused by the server."""
    with stalled_behind_nothing(pair, 1) as one:
        desk.record(one.to_b)
        pair.b.execute("drop role if exists blind; create role blind login")
        pair.b.execute("grant create on database app to blind")
        if pair.major == 15:
            # No other may skip there: the log alone is not to be had.
            pair.b.execute("alter role blind superuser")
            pair.b.execute("alter system set log_destination = 'syslog'")
            pair.b.execute("select pg_reload_conf()")
        else:
            pair.b.execute("grant postgres to blind with inherit true")
        try:
            desk.knows(a=pair.a.dsn, b=pair.b.cluster.dsn("app", user="blind"))
            words = ("subscriptions", "skip", one.to_b.name, "--node", "b")

            document = desk.run(*words, *REASON, "--json").document
        finally:
            pair.b.execute("alter system reset log_destination")
            pair.b.execute("select pg_reload_conf()")
            one.to_b.alter("owner to postgres")
            pair.b.execute("drop owned by blind; drop role blind")

        assert document["outcome"] == "skipped", document
        assert "the log can't tell" in document["seen"][-1]


def test_an_lsn_that_was_never_met_is_not_called_skipped(pair: Pair) -> None:
    """All that was there is applied: the log says that the LSN was cleared."""
    with pair.replicate(both=False) as one:
        one.to_b.alter("disable")
        wait_until(lambda: one.to_b.worker() is None, "no worker")

        result = asyncio.run(_look_when_all_is_over(one))

        assert result.outcome is Outcome.APPLIED, result
        assert pair.b.value(f"select count(*) from {one.table}") == 2


async def _look_when_all_is_over(one: Replicated) -> Result:
    node = Node(name="b", dsn=one.pair.b.dsn)
    who = "node b"
    connection = await connect_async(node.dsn, job="test", who=who, read_only=False)
    flushed = "select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint"
    lsn = one.pair.a.value(flushed) + 8
    try:
        asked = await facts.read(connection, node)
        (before,) = [each for each in asked.subscriptions if each.name == one.to_b.name]
        async with skip.witness(node, Limits()) as seen_by:
            first = await skip.apply(
                connection, asked, before, lsn, enabling=False, seen_by=seen_by, wait=1
            )
            assert first.outcome is Outcome.SET
            one.to_b.alter("enable")
            for row in range(2):
                one.pair.a.execute(f"insert into {one.table} values ({row}, 'x')")
            one.catch_up()
            watch = Watch(connection, asked, before, lsn, seen_by, enable=False)
            return await watch.run(1)
    finally:
        await connection.close()
