"""Options, owners and tables of subscriptions: each finding, and its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from pgconflict.server.checks import Check, Severity
from tests.fixtures.checked import (
    OWNER,
    found,
    mend,
    subscribe,
)
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from tests.fixtures.servers import Node, Pair


def test_an_owner_that_may_not_log_in(node: Node) -> None:
    subscribe(node)
    owner = sql.Identifier(OWNER)
    node.execute(sql.SQL("alter role {} nologin").format(owner))

    (finding,) = found(node)[Check.OWNER_LOGIN]
    mend(node, finding)

    assert finding.severity is Severity.ERROR
    assert Check.OWNER_LOGIN not in found(node)


def test_options_of_subscriptions(node: Node) -> None:
    subscribe(node, "Sub A")
    subscribe(node, "quiet", disable_on_error="true", streaming="off")

    listed = found(node)
    (disable,) = listed[Check.DISABLE_ON_ERROR]
    mend(node, disable)
    parallel = listed.get(Check.STREAMING_PARALLEL, [])
    if parallel:
        mend(node, *parallel)

    # From 18 on it is the default.
    assert len(parallel) == (node.major >= 18)
    assert '"Sub A"' in disable.seen
    assert {Check.DISABLE_ON_ERROR, Check.STREAMING_PARALLEL}.isdisjoint(found(node))


@pytest.mark.majors(since=16)
def test_parallel_streaming_before_it_was_the_default(node: Node) -> None:
    subscribe(node, streaming="parallel")

    (finding,) = found(node)[Check.STREAMING_PARALLEL]
    mend(node, finding)

    assert Check.STREAMING_PARALLEL not in found(node)


@pytest.mark.majors(since=19)
def test_update_deleted_needs_the_dead_rows(node: Node) -> None:
    subscribe(node)

    (finding,) = found(node)[Check.RETAIN_DEAD_TUPLES]

    assert finding.severity is Severity.NOTICE
    assert 'ALTER SUBSCRIPTION "s" SET (retain_dead_tuples = true);' in finding.remedy


def test_deferrable_constraints_of_subscribed_tables(pair: Pair) -> None:
    ddl = 'create table {t} (id int primary key, "V" int unique deferrable)'
    with pair.replicate(ddl, relname=f"Def {pair.b.major}", both=False):
        (finding,) = found(pair.b, user="postgres")[Check.DEFERRABLE_UNIQUE]
        mend(pair.b, finding)

        assert "_V_key" in finding.seen
        assert Check.DEFERRABLE_UNIQUE not in found(pair.b, user="postgres")


def test_the_remedy_restarts_a_running_worker(pair: Pair) -> None:
    """What was set for the owner counts in a new worker only."""
    ddl = "create table {t} (id int primary key)"
    with pair.replicate(ddl, both=False) as one:
        pair.b.execute("alter role postgres set log_min_messages = 'fatal'")
        (finding,) = found(pair.b, user="postgres")[Check.LOG_MIN_MESSAGES]
        before = one.to_b.worker()

        mend(pair.b, finding)

        wait_until(lambda: one.to_b.worker() not in {None, before}, "a new worker")
        assert pair.b.value("show log_min_messages") == "warning"
        pair.b.execute("alter role postgres reset log_min_messages")
