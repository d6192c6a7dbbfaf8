"""`check` looks into every database that replicates, not only the dsn's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from psycopg import sql

from pgconflict.cli.check_ask import ask
from pgconflict.config import parse
from tests.fixtures.nodes import Pair
from tests.fixtures.operated import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.servers import Node

OTHER = 'Other "d" é'
ROLE = "only_app"


@pytest.fixture
def other(pair: Pair) -> Iterator[Pair]:
    """Both nodes in a further database; a role that may not enter it there."""
    name, role = sql.Identifier(OTHER), sql.Identifier(ROLE)
    for node in pair.nodes:
        node.execute(sql.SQL("create database {}").format(name), dbname="postgres")
        node.execute(sql.SQL("revoke connect on database {} from public").format(name))
        node.execute(sql.SQL("create role {} login").format(role))
        node.execute(sql.SQL("grant pg_monitor to {}").format(role))
    a, b = (replace(node, dbname=OTHER) for node in pair.nodes)
    yield Pair(a, b)
    for node in pair.nodes:
        node.execute(
            sql.SQL("drop database {} with (force)").format(name), dbname="postgres"
        )
        node.execute(sql.SQL("drop role {}").format(role))


def findings(desk: Desk, *words: str) -> dict[str, list[dict[str, Any]]]:
    """What `check` finds in the further database, or of it."""
    found: dict[str, list[dict[str, Any]]] = {}
    document = desk.run("check", "--node", "a", *words, "--json").document
    for one in document["findings"]:
        if one["database"] == OTHER or one["check"] == "database_unread":
            found.setdefault(one["check"], []).append(one)
    return found


def allow(node: Node, value: str) -> None:
    """Let everybody, or nobody, connect to the further database."""
    statement = sql.SQL("alter database {} allow_connections {}")
    filled = statement.format(sql.Identifier(OTHER), sql.SQL(value))
    node.execute(filled, dbname="postgres")


def test_another_databases_tables_and_publications_are_looked_at(
    pair: Pair, other: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, "host=127.0.0.1 port=1", capsys)
    desk.knows(a=pair.a.dsn, b=pair.b.dsn)
    ddl = "create table {t} (id int unique deferrable, v text, primary key (id))"
    with other.replicate(ddl, subscription={"disable_on_error": True}) as one:
        name = sql.Identifier(one.to_b.publication).as_string()
        other.a.execute(
            f"create table late (id int primary key);"
            f"alter publication {name} add table late;"
            f"alter publication {name} set table {one.table} where (id > 0), late"
        )
        other.b.execute(f"alter table {one.table} alter v set not null")

        both = findings(desk, "--node", "b")
        text = desk.run("check", "--node", "a").out
        desk.knows(a=pair.a.dsn)
        alone = findings(desk)

        assert "database_unread" not in both
        assert "row_filter" in alone
        assert f"in      database {sql.Identifier(OTHER).as_string()}" in text
        wanted = {"row_filter", "deferrable_unique", "table_missing"}
        assert wanted | {"definitions_differ"} <= set(both)
        assert both["table_missing"][0]["node"] == "b"
        for statement in both["table_missing"][0]["remedy"]:
            if not statement.startswith("--"):
                other.b.execute(statement)
        desk.knows(a=pair.a.dsn, b=pair.b.dsn)
        assert "table_missing" not in findings(desk, "--node", "b")


def test_a_database_that_may_not_be_entered_is_named_with_its_grant(
    pair: Pair, other: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, "host=127.0.0.1 port=1", capsys)
    desk.knows(a=pair.a.cluster.dsn("app", user=ROLE))
    with other.replicate(both=False):
        (unread,) = findings(desk)["database_unread"]
        for statement in unread["remedy"]:
            pair.a.execute(statement)
        after = findings(desk)
        allow(pair.a, "false")
        (closed,) = findings(desk)["database_unread"]
        allow(pair.a, "true")

    assert unread["severity"] == "warning"
    assert "no privilege to connect" in unread["seen"]
    assert "database_unread" not in after
    assert "accepts no connections" in closed["seen"]


@pytest.mark.majors(18)
def test_two_nodes_of_one_server_share_its_databases(pair: Pair, other: Pair) -> None:
    """Each is looked into once; a subscription from one to the other is compared."""
    listed = "".join(
        f"  - {{name: {name}, dsn: '{dsn}'}}\n"
        for name, dsn in (("a", pair.a.dsn), ("a2", pair.a.cluster.dsn("postgres")))
    )
    config = parse(
        f"conflict_log: {{dsn: dbname=x}}\nnodes:\n{listed}", Path("pgconflict.yml")
    )
    with other.replicate(both=False):
        one, two = asyncio.run(ask(config.nodes, config.limits))

    assert one.facts is not None
    assert two.facts is not None
    seen = [contents.database for contents in one.facts.databases]
    assert OTHER in seen
    assert [contents.database for contents in two.facts.databases] == ["postgres"]


@pytest.mark.majors(18)
def test_a_subscription_within_one_server_is_compared(
    pair: Pair, other: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Publisher and subscriber are databases of the same server, and of one node."""
    here, there = pair.a, other.a
    here.execute("create table inside (id int primary key, v text)")
    there.execute("create table inside (id int primary key)")
    here.execute("create publication inside for table inside")
    here.execute("select pg_create_logical_replication_slot('inside', 'pgoutput')")
    there.execute(
        sql.SQL(
            "create subscription inside connection {} publication inside"
            " with (create_slot = false, copy_data = false)"
        ).format(sql.Literal(here.dsn))
    )
    desk = Desk(tmp_path, "host=127.0.0.1 port=1", capsys)
    desk.knows(a=pair.a.dsn, b=pair.b.dsn)
    try:
        (differs,) = findings(desk, "--node", "b")["definitions_differ"]
    finally:
        there.execute("drop subscription inside")
        here.execute("drop publication inside; drop table inside")

    assert differs["node"] == "a"
    assert 'database "app" of node a' in differs["seen"]
    assert "ADD COLUMN" in differs["remedy"][0]
