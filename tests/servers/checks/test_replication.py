"""Limits that stop replication, and what publications and triggers do to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pgconflict.server.checks import Check, Facts, Severity, judge
from pgconflict.server.checks.facts import Replication
from tests.fixtures.checked import facts, found, mend, set_and_reload, subscribe
from tests.fixtures.facts import facts as stated
from tests.fixtures.facts import subscription
from tests.fixtures.servers import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgconflict.demo.cluster import Cluster
    from tests.fixtures.servers import Pair

CRAMPED = {
    "wal_level": "replica",
    "max_replication_slots": 2,
    "max_wal_senders": 2,
    "max_logical_replication_workers": 2,
    "max_worker_processes": 4,
    "max_prepared_transactions": 0,
}


def test_a_cramped_server_is_widened_by_the_remedies(
    new_cluster: Callable[..., Cluster], major: int
) -> None:
    """Every limit at once: a restart is what costs time."""
    own = {"max_active_replication_origins": 2} if major >= 18 else {}
    node = Node("a", new_cluster(major, settings={**CRAMPED, **own}))
    node.execute("create database app", dbname="postgres")
    node.execute("set client_min_messages = error; create publication p")
    node.execute('create role "Owner ""o""" login superuser')
    for slot in ("one", "two"):
        node.execute(f"select pg_create_physical_replication_slot('{slot}', true)")
    for name in ("s", "t", "u"):
        subscribe(node, name)
        node.execute(f"alter subscription {name} set (slot_name = '{name}')")
        node.execute(f"alter subscription {name} enable")

    before = found(node, user="postgres")
    wanted = {
        Check.REPLICATION_SLOTS, Check.REPLICATION_ORIGINS, Check.WORKERS,
    } | ({Check.WAL_LEVEL} if major < 19 else set())  # fmt: skip
    assert wanted <= set(before)
    (origins,) = before[Check.REPLICATION_ORIGINS]
    assert origins.severity is Severity.ERROR
    for check in wanted:
        mend(node, *before[check])
    for name in ("s", "t", "u"):
        node.execute(f"alter subscription {name} disable")
    node.cluster.restart()
    for name in ("s", "t", "u"):
        node.execute(f"alter subscription {name} enable")
    after = found(node, user="postgres")

    assert wanted.isdisjoint(after)


@pytest.mark.majors(15, 18)
def test_two_phase_needs_prepared_transactions(node: Node) -> None:
    subscribe(node, two_phase="true")
    off = node.value("show max_prepared_transactions") == "0"

    listed = found(node)

    assert (Check.TWO_PHASE in listed) == off
    if off:
        assert listed[Check.TWO_PHASE][0].remedy[0].startswith("ALTER SYSTEM")


@pytest.mark.majors(since=16)
def test_rights_of_the_owner_are_given_up_by_the_remedy(node: Node) -> None:
    subscribe(node, run_as_owner="true")

    (finding,) = found(node)[Check.RUN_AS_OWNER]
    mend(node, finding)

    assert finding.severity is Severity.WARNING
    assert Check.RUN_AS_OWNER not in found(node)


def test_a_slot_may_fill_the_disk_or_be_lost(node: Node) -> None:
    node.execute("select pg_create_logical_replication_slot('kept', 'pgoutput')")
    try:
        if node.major >= 18:
            set_and_reload(node, "idle_replication_slot_timeout", "1d")
        before = found(node)
        mend(node, *before[Check.KEEP_SIZE], *before.get(Check.IDLE_SLOT_TIMEOUT, ()))
        after = found(node)
    finally:
        node.execute("select pg_drop_replication_slot('kept')")

    assert (Check.IDLE_SLOT_TIMEOUT in before) == (node.major >= 18)
    assert {Check.KEEP_SIZE, Check.IDLE_SLOT_TIMEOUT}.isdisjoint(after)


def test_log_files_that_are_written_over(node: Node) -> None:
    set_and_reload(node, "log_filename", "postgresql-%H.log")
    set_and_reload(node, "log_truncate_on_rotation", "on")

    (finding,) = found(node)[Check.LOG_RETENTION]
    mend(node, finding)

    assert "after 24 h" in finding.seen
    assert Check.LOG_RETENTION not in found(node)


@pytest.mark.majors(since=18)
def test_since_when_origins_are_known(node: Node) -> None:
    subscribe(node)
    node.execute("create table if not exists one_commit ()")
    # Only a checkpoint tells which transaction is the oldest that is known.
    node.execute("checkpoint")

    (finding,) = found(node)[Check.TIMESTAMPS_SINCE]

    assert finding.seen.startswith("commit timestamps are known since 20")
    assert finding.severity is Severity.NOTICE


def test_publications_in_part_and_triggers(pair: Pair) -> None:
    """One table both publishes in part and has a trigger that fires on apply."""
    ddl = (
        "create table {t} (id int primary key, v text, w text,"
        " g int generated always as (id + 1) stored);"
        "create or replace function nothing() returns trigger language plpgsql"
        " as 'begin return new; end';"
        'create trigger "T t" before insert on {t} for each row'
        " execute function nothing();"
        'alter table {t} enable always trigger "T t"'
    )
    with pair.replicate(ddl, relname=f"Part {pair.major}", both=False) as one:
        name = f'"{one.to_b.publication}"'
        columns = "(id, v, g)" if pair.major >= 18 else "(id, v)"
        pair.a.execute(
            f"alter publication {name} set table {one.table} {columns} where (id > 0)"
        )
        publisher = found(pair.a, user="postgres")
        (columns_missing,) = publisher[Check.COLUMNS_UNPUBLISHED]
        (row_filter,) = publisher[Check.ROW_FILTER]
        generated = publisher.get(Check.GENERATED_PUBLISHED, [])
        (trigger,) = found(pair.b, user="postgres")[Check.TRIGGER_FIRES]
        mend(pair.a, columns_missing, *generated)
        mend(pair.b, trigger)

        assert 'without column "w"' in columns_missing.seen
        assert "WHERE (id > 0)" in row_filter.seen
        assert len(generated) == (pair.major >= 18)
        assert {
            Check.COLUMNS_UNPUBLISHED, Check.ROW_FILTER, Check.GENERATED_PUBLISHED,
        }.isdisjoint(found(pair.a, user="postgres"))  # fmt: skip
        assert Check.TRIGGER_FIRES not in found(pair.b, user="postgres")


def test_what_can_not_be_known_is_not_found() -> None:
    """A role that sees no settings; processes that don't reach for the workers."""
    unknown: Facts = stated(18)
    few = stated(
        18, subscription("a"), subscription("b"),
        max_worker_processes="2", max_logical_replication_workers="4",
    )  # fmt: skip

    assert Check.WORKERS not in {one.check for one in judge(unknown)}
    assert Check.WORKERS in {one.check for one in judge(few)}
    assert Replication(0, 0, 0, 0).slots == 0


def test_facts_of_a_healthy_server_are_asked(node: Node) -> None:
    asked = facts(node)

    assert asked.replication is not None
    assert asked.number("max_replication_slots")
