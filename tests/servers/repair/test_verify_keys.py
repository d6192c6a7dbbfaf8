"""Keys of many types, equal ones that print differently, and those that are no keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.apart import apart, fill
from tests.fixtures.waiting import wait_until
from tests.proof.daemons import Daemon
from tests.servers.repair.test_repair import repair, same
from tests.servers.repair.test_verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair, Replicated

ROWS = 400
EXTENSIONS = ("citext", "ltree")
# Where a name of an extension's type must be given: search_path is empty.
TYPES = {
    "public.citext": "case n % 2 when 0 then 'K' else 'k' end || md5(n::text)",
    "public.ltree": "('Top.' || md5(n::text))::public.ltree",
    "public.kind": "(array['z', 'b', 'a'])[n]::public.kind",
    "timestamptz": "timestamptz '2026-01-01' - n * interval '1.000001 days'",
    "bytea": "decode(md5(n::text), 'hex')",
}


@pytest.fixture
def types(pair: Pair) -> Iterator[set[str]]:
    """Types of keys that both nodes have."""
    kinds = "create type kind as enum ('z', 'b', 'a')"
    pair.both(kinds)
    there = {
        name
        for (name,) in pair.a.execute("select name from pg_available_extensions")
        if name in EXTENSIONS
    }
    for name in there:
        pair.both(f"create extension {name}")
    missing = {f"public.{name}" for name in set(EXTENSIONS) - there}
    yield TYPES.keys() - missing
    for name in there:
        pair.both(f"drop extension {name}")
    pair.both("drop type kind")


@pytest.mark.majors(17)
def test_keys_of_many_types(pair: Pair, desk: Desk, types: set[str]) -> None:
    assert "public.citext" in types
    for name in sorted(types):
        rows = 3 if name == "public.kind" else ROWS
        ddl = f"create table {{t}} (id {name} primary key, v int)"
        with pair.replicate(ddl) as replicated:
            fill(replicated, rows, f"insert into {{t}} select {TYPES[name]}, n")
            equal = verify(desk, replicated, "--range", "60")
            apart(replicated, "b", "update {t} set v = -v where v in (2, 301)")
            code, said = verify(desk, replicated, "--range", "60")
            ids = [row["conflict_id"] for row in said["findings"]]
            if pair.two_way:
                answer, _ = repair(desk, ids, "--winner", "a", "--apply")
                assert answer.code == 0, (name, answer.out, answer.err)

        assert (equal[0], equal[1]["rows"]) == (0, {"a": rows, "b": rows}), name
        found = [row["rows"]["a"]["v"] for row in said["findings"]]
        assert (code, sorted(found)) == (3, ["2", "301"][: len(found)]), name
        assert len(found) == (1 if rows == 3 else 2)


@pytest.mark.majors(17)
def test_an_extension_s_key_is_read_by_its_index(
    pair: Pair, desk: Desk, types: set[str]
) -> None:
    assert "public.citext" in types
    ddl = "create table {t} (id citext, n int, v text, primary key (id, n))"
    with pair.replicate(ddl) as replicated:
        fill(replicated, 9000, "insert into {t} select md5((n / 3)::text), n, 'v'")
        pair.both(f"analyze {replicated.table}")
        apart(replicated, "b", "update {t} set v = 'w' where n in (8, 8999)")
        before = scans(replicated)

        code, said = verify(desk, replicated, "--range", "500")

        wait_until(lambda: not reading(pair), "the sessions have ended")
        after = scans(replicated)
    assert (code, said["rows"]) == (3, {"a": 9000, "b": 9000})
    assert sorted(row["key"]["n"] for row in said["findings"]) == ["8", "8999"]
    assert [one[0] for one in before] == [one[0] for one in after]
    assert all(one[1] < two[1] for one, two in zip(before, after, strict=True))


def scans(replicated: Replicated) -> list[tuple[int, int]]:
    """How many times each node has read the whole table, and an index."""
    statement = (
        "select seq_scan, idx_scan from pg_stat_user_tables where relid = %s::regclass"
    )
    return [
        node.execute(statement, [replicated.table])[0] for node in replicated.pair.nodes
    ]


def reading(pair: Pair) -> bool:
    """Whether a session of verify is still there."""
    statement = "select from pg_stat_activity where application_name ~ 'verify'"
    return any(node.execute(statement) for node in pair.nodes)


@pytest.mark.majors(17)
@pytest.mark.parametrize(
    "alike", [("numeric", "1.0", "1.00"), ("public.citext", "Abc", "aBC")]
)
def test_equal_keys_that_print_differently_are_one_row(
    pair: Pair, desk: Desk, types: set[str], alike: tuple[str, str, str]
) -> None:
    type_, one, two = alike
    assert types >= {"public.citext"}
    with pair.replicate(f"create table {{t}} (id {type_} primary key)") as replicated:
        pair.a.execute(f"insert into {replicated.table} values ('{one}')")
        replicated.catch_up()
        apart(replicated, "b", f"update {{t}} set id = '{two}'")

        code, said = verify(desk, replicated)
        ids = [row["conflict_id"] for row in said["findings"]]
        answer, _ = repair(desk, ids, "--winner", "a", "--apply")

        assert answer.code == 0, answer.out
        assert pair.b.value(f"select id::text from {replicated.table}") == one
    assert (code, [row["columns"] for row in said["findings"]]) == (3, [["id"]])


NO_KEY = (
    "create table {t} (id int not null, v text);"
    "alter table {t} add unique (id) deferrable;"
    "alter table {t} replica identity full"
)


@pytest.mark.majors(17)
def test_a_key_that_several_rows_have_is_a_finding(pair: Pair, desk: Desk) -> None:
    """A deferrable constraint is not enforced by apply."""
    with pair.replicate(NO_KEY) as replicated:
        fill(replicated, 900)
        for node in "ab":
            doubled = "insert into {t} values (500, 'twice')"
            apart(replicated, node, doubled, replica=True)
        apart(replicated, "b", "insert into {t} values (7, 'more')", replica=True)
        apart(replicated, "b", "update {t} set v = 'other' where id = 800")

        code, said = verify(desk, replicated, "--range", "200")
        shown = desk.run("conflicts", "verify", replicated.table)
        found = {row["key"]["id"]: row for row in said["findings"]}
        number = found["7"]["conflict_id"]
        refused = repair(desk, [number], "--winner", "a", "--apply")[1]
        apart(replicated, "b", "delete from {t} where v in ('more', 'twice')")
        apart(replicated, "a", "delete from {t} where v = 'twice'")
        afterwards = verify(desk, replicated)[1]
        assert not same(replicated)

    several: dict[str, Any] = {key: row["several"] for key, row in found.items()}
    assert code == 3
    assert several == {"7": ["b"], "500": ["a", "b"], "800": []}
    assert "several rows on a, b" in shown.out
    assert refused[0]["outcome"] == "refused"
    assert [row["key"]["id"] for row in afterwards["findings"]] == ["800"]
    stored = "select message from pgconflict.conflict_log where conflict_id = %s"
    (message,) = desk.ask_log(stored, number)[0]
    assert message == "several rows have this key on node b"


@pytest.mark.majors(16, 18)
def test_a_key_that_several_rows_have_stays_a_finding_until_it_heals(
    pair: Pair, desk: Desk
) -> None:
    with pair.replicate(NO_KEY) as replicated:
        fill(replicated, 9)
        apart(replicated, "b", "insert into {t} values (7, 'more')", replica=True)
        (found,) = verify(desk, replicated)[1]["findings"]
        with Daemon(pair, desk.log_dsn) as daemon:

            def looked_at(times: int) -> str | None:
                daemon.do("update pgconflict.verdict_due set due_at = now()")
                rows = daemon.rows(
                    "select verdict from pgconflict.conflict_log c"
                    f" where conflict_id = {found['conflict_id']} and {times} <="
                    " (select looks from pgconflict.verdict_due d"
                    " where d.conflict_id = c.conflict_id)"
                )
                return rows[0][0] if rows else None

            still = wait_until(lambda: looked_at(2), "it is looked at twice")
            apart(replicated, "b", "delete from {t} where v = 'more'")
            wait_until(lambda: looked_at(0) in {None, "converged"}, "it has healed")
    assert still == "diverged"
    # The daemon has read what other tests left in the logs, too.
    assert desk.ask_log(
        "select verdict, effect from pgconflict.conflict_log where conflict_id = %s",
        found["conflict_id"],
    ) == [("converged", "none")]
