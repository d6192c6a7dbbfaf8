"""What `check` finds between two nodes, and that its remedies mend it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pgconflict.config import parse
from pgconflict.server import checks
from pgconflict.server.checks import Check, Finding, Severity, View
from pgconflict.server.connect import connect_async
from tests.fixtures.checked import mend
from tests.fixtures.operated import Desk

if TYPE_CHECKING:
    from tests.fixtures.servers import Pair


def views(pair: Pair) -> list[View]:
    listed = "".join(
        f"  - {{name: {node.name}, dsn: {json.dumps(node.dsn)}}}\n"
        for node in pair.nodes
    )
    config = parse(
        f"conflict_log: {{dsn: dbname=x}}\nnodes:\n{listed}", Path("pgconflict.yml")
    )

    async def ask() -> list[View]:
        found = []
        for node in config.nodes:
            async with await connect_async(
                node.dsn, job="check", who=node.name
            ) as connection:
                found.append(await checks.read_view(connection, node, config.limits))
        return found

    return asyncio.run(ask())


def sequences_unread(view: View) -> View:
    """A node whose sequences were not read in time."""
    places = [replace(one, sequences=None) for one in view.places]
    return replace(view, places=places)


def across(pair: Pair, table: str) -> dict[Check, list[Finding]]:
    """What is found of this table; other tests may have left something else."""
    listed: dict[Check, list[Finding]] = {}
    for finding in checks.judge_across(views(pair)):
        if table in finding.seen:
            listed.setdefault(finding.check, []).append(finding)
    return listed


def mend_on(pair: Pair, *findings: Finding) -> None:
    for finding in findings:
        mend(pair.a if finding.node == "a" else pair.b, finding)


@pytest.mark.majors(since=16)
def test_a_loop_is_seen_on_both_sides_and_ended(pair: Pair) -> None:
    with pair.replicate(subscription={"origin": "any"}) as one:
        before = across(pair, one.relname)
        mend_on(pair, *before[Check.ORIGIN_ANY])

        assert {found.node for found in before[Check.ORIGIN_ANY]} == {"a", "b"}
        assert Check.ORIGIN_ANY not in across(pair, one.relname)


def test_definitions_that_differ_are_made_alike(pair: Pair) -> None:
    ddl = 'create table {t} (id int primary key, "V" int, w text not null, x int)'
    with pair.replicate(ddl, both=False) as one:
        assert Check.DEFINITIONS_DIFFER not in across(pair, one.relname)
        pair.a.execute(
            f'create unique index on {one.table} ("V" desc) where x > 0;'
            f"alter table {one.table} add check (x <> 3)"
        )
        pair.b.execute(
            f"alter table {one.table} drop column x, alter w drop not null,"
            f' alter "V" type text'
        )

        name = f'"{one.to_b.publication}"'
        pair.a.execute(f'alter publication {name} set table {one.table} (id, "V", w)')
        (finding,) = across(pair, one.relname)[Check.DEFINITIONS_DIFFER]
        assert finding.severity is Severity.WARNING
        pair.a.execute(f"alter publication {name} set table {one.table}")

        (finding,) = across(pair, one.relname)[Check.DEFINITIONS_DIFFER]
        assert finding.severity is Severity.ERROR
        assert finding.node == "b"
        assert 'column "V" is text, there integer' in finding.seen
        mend_on(pair, finding)

        assert Check.DEFINITIONS_DIFFER not in across(pair, one.relname)


def test_tables_that_are_published_and_not_there(pair: Pair) -> None:
    with pair.replicate(both=False) as one:
        for name in ("new_one", "known_one"):
            pair.a.execute(
                f"create table {name} (id int not null, v text default 'x');"
                f"create unique index on {name} (id);"
                f'alter publication "{one.to_b.publication}" add table {name}'
            )
        pair.b.execute("create table known_one (id int not null, v text)")
        try:
            (missing,) = across(pair, "new_one")[Check.TABLE_MISSING]
            (unsubscribed,) = across(pair, "known_one")[Check.TABLE_UNSUBSCRIBED]
            mend_on(pair, missing, unsubscribed)
            pair.a.execute("insert into new_one values (1)")
            one.catch_up()

            assert missing.severity is Severity.ERROR
            assert pair.b.execute("select id, v from new_one") == [(1, "x")]
            after = across(pair, "_one")
            assert {Check.TABLE_MISSING, Check.TABLE_UNSUBSCRIBED}.isdisjoint(after)
        finally:
            for node in pair.nodes:
                node.execute("drop table if exists new_one, known_one")


@pytest.mark.majors(since=16)
def test_sequences_of_two_way_pairs_must_not_meet(pair: Pair) -> None:
    with pair.replicate() as one:
        name = f"seq_{one.relname}"
        pair.both(f"create sequence {name}")
        try:
            (finding,) = across(pair, name)[Check.SEQUENCES_COLLIDE]
            unread = [sequences_unread(one) for one in views(pair)]
            (not_known, *_) = [
                each
                for each in checks.judge_across(unread)
                if each.check is Check.SEQUENCES_COLLIDE
            ]
            assert not_known.severity is Severity.NOTICE
            pair.a.execute(f"alter sequence {name} increment 2 restart 1")
            pair.b.execute(f"alter sequence {name} increment 2 restart 2")

            assert "pgconflict sequences stagger a b" in finding.remedy[0]
            assert Check.SEQUENCES_COLLIDE not in across(pair, name)
        finally:
            pair.both(f"drop sequence {name}")


@pytest.mark.majors(18)
def test_like_nodes_are_no_finding(pair: Pair) -> None:
    found = {one.check for one in checks.judge_across(views(pair))}

    assert {Check.CLOCK, Check.VERSIONS_DIFFER}.isdisjoint(found)


@pytest.mark.majors(18)
def test_the_command_compares_the_nodes_that_are_named(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, "host=127.0.0.1 port=1", capsys)
    desk.knows(a=pair.a.dsn, b=pair.b.dsn)
    with pair.replicate(subscription={"origin": "any"}):
        both = desk.run("check", "--node", "a", "--node", "b", "--json")
        alone = desk.run("check", "--node", "a", "--json")

    named = {one["check"] for one in both.document["findings"]}
    assert both.code == 3
    assert "origin_any" in named
    assert "origin_any" not in {one["check"] for one in alone.document["findings"]}
