"""What a monitoring role needs, on each version, and that it is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.server.checks import Check, Severity
from pgconflict.server.grants import grant_rows, monitor_grants
from tests.fixtures.checked import (
    MONITOR,
    found,
    mend,
)

if TYPE_CHECKING:
    from tests.fixtures.servers import Node


def test_a_server_as_it_should_be(node: Node) -> None:
    """With what `init --grants` prints, and jsonlog, nothing but notices is left."""
    listed = found(node)

    expected = {Check.NO_SUBSCRIPTION}
    if node.major < 19:
        expected.add(Check.UNSEEN_TYPES)
    assert set(listed) == expected
    assert not any(one.counts for group in listed.values() for one in group)


def test_privileges_that_are_missing_are_granted_by_the_remedy(node: Node) -> None:
    node.execute('drop role if exists "p l"; create role "p l" login')

    before = found(node, user="p l")
    mend(node, *before[Check.PRIVILEGE])
    after = found(node, user="p l")

    assert [one.severity for one in before[Check.PRIVILEGE]] == [
        Severity.ERROR,
        Severity.ERROR,
        Severity.WARNING,
    ]
    assert Check.LOG_ACCESS not in before
    assert Check.PRIVILEGE not in after
    assert "pgconflict/check" not in str(after)
    node.execute('drop owned by "p l"; drop role "p l"')


def test_each_grant_is_needed(node: Node) -> None:
    """Without any one of the printed statements something is missing."""
    grants = monitor_grants("one")

    for left_out in grants:
        node.execute("drop role if exists one; create role one login")
        for statement in grants:
            if statement != left_out:
                node.execute(statement)
        assert Check.PRIVILEGE in found(node, user="one"), left_out
        node.execute("drop owned by one; drop role one")


def test_the_grants_are_enough_for_every_question(node: Node) -> None:
    """The role reads the log, the origins and the statistics."""
    for question in (
        "select * from pg_replication_origin_status",
        "select * from pg_stat_subscription_stats",
        "select pg_read_binary_file('log/' || name, 0, 1, true) from pg_ls_logdir()",
        "select subname, subenabled, subskiplsn from pg_subscription",
    ):
        node.execute(question, user=MONITOR)


def test_the_rows_of_what_is_replicated_can_be_read(node: Node) -> None:
    node.execute('create schema "s p"; create table "s p"."t t" (id int primary key)')
    node.execute('create publication "rows" for table "s p"."t t"')
    node.execute('create role "it\'s" login')

    node.execute(grant_rows("it's"))

    assert node.execute('select * from "s p"."t t"', user="it's") == []
    node.execute('drop publication "rows"; drop schema "s p" cascade')
    node.execute('drop owned by "it\'s"; drop role "it\'s"')


def test_reading_files_needs_no_grant_for_sql(node: Node) -> None:
    node.execute("drop role if exists f; create role f login; grant pg_monitor to f")

    listed = found(node, user="f", server_log="{read: auto}")

    (finding,) = listed[Check.PRIVILEGE]
    assert "pg_replication_origin_status" in finding.seen
    node.execute("drop owned by f; drop role f")
