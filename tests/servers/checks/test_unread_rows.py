"""Replicated tables that the monitoring role can't read: named, and mended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pgconflict.cli.main import main
from pgconflict.server.checks import Check, Severity
from pgconflict.server.grants import monitor_grants
from tests.fixtures.checked import found, mend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.servers import Node, Pair

READER = 'it\'s a $rows$ "reader"'
QUOTED = '"it\'s a $rows$ ""reader"""'


def make_reader(node: Node) -> None:
    node.execute(f"create role {QUOTED} login")
    for statement in monitor_grants(READER):
        node.execute(statement)


@pytest.fixture
def with_reader(node: Node) -> Iterator[Node]:
    """A role that has everything but the right to read rows; a schema for tables."""
    make_reader(node)
    node.execute('create schema "S x"')
    yield node
    node.execute('drop publication if exists p; drop schema "S x" cascade')
    node.execute(f"drop owned by {QUOTED}; drop role {QUOTED}")


def test_tables_are_named_and_granted(with_reader: Node) -> None:
    """Five of them by name; the partition of a table that is sent as a whole too."""
    node = with_reader
    for number in range(6):
        node.execute(f'create table "S x".t{number} (id int primary key)')
    node.execute(
        'create table "S x"."P %" (id int primary key) partition by range (id);'
        'create table "S x".piece partition of "S x"."P %" default;'
        'create table "S x".unpublished (id int)'
    )
    node.execute(
        'create publication p for table "S x"."P %",'
        + ",".join(f'"S x".t{number}' for number in range(6))
        + " with (publish_via_partition_root)"
    )

    (finding,) = found(node, user=READER)[Check.ROWS_UNREAD]
    mend(node, finding)

    assert finding.severity is Severity.WARNING
    assert finding.database == node.dbname
    assert finding.seen == (
        f'role {QUOTED} may not read "S x"."P %", "S x"."piece", "S x"."t0",'
        ' "S x"."t1", "S x"."t2" and 3 more'
    )
    assert "\n" not in finding.remedy[0]
    assert Check.ROWS_UNREAD not in found(node, user=READER)
    assert node.execute('select * from "S x".piece', user=READER) == []
    assert not node.value(
        "select has_table_privilege(%s, '\"S x\".unpublished', 'select')", (READER,)
    )


def test_only_columns_that_are_sent_need_be_read(with_reader: Node) -> None:
    node = with_reader
    node.execute(
        'create table "S x".t (id int primary key, v text, secret text,'
        " made int generated always as (1) stored);"
        'create publication p for table "S x".t (id, v);'
        f'grant usage on schema "S x" to {QUOTED};'
        f'grant select (id) on "S x".t to {QUOTED}'
    )

    before = found(node, user=READER)
    node.execute(f'grant select (v) on "S x".t to {QUOTED}')
    listed = found(node, user=READER)
    node.execute('alter publication p set table "S x".t')
    whole = found(node, user=READER)
    node.execute(f'grant select (secret) on "S x".t to {QUOTED}')

    assert '"S x"."t"' in before[Check.ROWS_UNREAD][0].seen
    assert Check.ROWS_UNREAD not in listed
    assert Check.ROWS_UNREAD in whole
    assert Check.ROWS_UNREAD not in found(node, user=READER)
    node.execute(f'revoke usage on schema "S x" from {QUOTED}')
    assert Check.ROWS_UNREAD in found(node, user=READER)


def test_row_security_hides_rows_whatever_its_policies(with_reader: Node) -> None:
    node = with_reader
    node.execute(
        'create table "S x".t (id int primary key);'
        'create publication p for table "S x".t;'
        f'grant usage on schema "S x" to {QUOTED};'
        f'grant select on "S x".t to {QUOTED};'
        'alter table "S x".t enable row level security;'
        'create policy everything on "S x".t using (true)'
    )

    (finding,) = found(node, user=READER)[Check.ROWS_UNREAD]
    mend(node, finding)

    assert finding.seen == f'row security of "S x"."t" applies to role {QUOTED}'
    assert Check.ROWS_UNREAD not in found(node, user=READER)


def test_a_partition_of_a_subscribed_table(pair: Pair) -> None:
    """The conflict is logged with the partition's name, and its row read there."""
    ddl = (
        "create table {t} (id int primary key) partition by range (id);"
        "create table {t}_1 partition of {t} default"
    ).replace("{t}_1", f"unread_part_{pair.b.major}")
    via_root = {"publish_via_partition_root": True}
    make_reader(pair.b)
    try:
        with pair.replicate(ddl, both=False, publication=via_root) as one:
            (finding,) = found(pair.b, user=READER)[Check.ROWS_UNREAD]
            mend(pair.b, finding)

            assert f'"{one.relname}"' in finding.seen
            assert "unread_part_" in finding.seen
            assert Check.ROWS_UNREAD not in found(pair.b, user=READER)
    finally:
        pair.b.execute(f"drop owned by {QUOTED}; drop role {QUOTED}")


@pytest.mark.majors(18)
def test_nothing_is_said_where_no_row_is_read(
    with_reader: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict is off, or there is no second node to compare with."""
    node = with_reader
    node.execute('create table "S x".t (id int primary key)')
    node.execute('create publication p for table "S x".t')
    file = tmp_path / "pgconflict.yml"

    def checked(verdict: str, nodes: int = 2) -> bool:
        dsn = json.dumps(node.cluster.dsn(node.dbname, user=READER))
        listed = "".join(f"  - {{name: n{n}, dsn: {dsn}}}\n" for n in range(nodes))
        file.write_text(
            f"conflict_log: {{dsn: host=x}}\nverdict: {{{verdict}}}\nnodes:\n{listed}"
        )
        main(["--config", str(file), "check", "--node", "n0", "--json"])
        document = json.loads(capsys.readouterr().out)
        assert document["servers"][0]["asked"]
        return "rows_unread" in {one["check"] for one in document["findings"]}

    assert checked("")
    assert not checked("enabled: false")
    assert not checked("", nodes=1)
