"""Rows of which a key is to be found in what a change came by: the whole row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.apart import apart, fill
from tests.fixtures.waiting import wait_until
from tests.proof.daemons import Daemon
from tests.servers.repair.test_repair import repair

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair

FULL = (
    "create table {t} (v text, id int not null unique, n int, name text unique);"
    "alter table {t} replica identity full"
)
LONG = "x" * 100


@pytest.mark.majors(18, 19)
def test_a_missing_row_is_found_by_the_index_in_its_whole_row(
    pair: Pair, desk: Desk
) -> None:
    with pair.replicate(FULL) as one, Daemon(pair, desk.log_dsn) as daemon:
        fill(one, 5, "insert into {t} (v, id) select 'v', n")
        apart(one, "b", "delete from {t} where id < 5")
        for change in ("v = 'w'", f"v = '{LONG}'", "id = 33", "n = 9"):
            key = 1 + ("v = 'w'", f"v = '{LONG}'", "id = 33", "n = 9").index(change)
            pair.a.execute(f"update {one.table} set {change} where id = {key}")
        one.catch_up()

        def found() -> list[tuple[Any, ...]]:
            rows = daemon.rows(
                "select conflict_id, verdict from pgconflict.conflict_log"
                f" where relname = '{one.relname}' order by conflict_id"
            )
            judged = [row for row in rows if row[1] is not None]
            return judged if len(judged) == 4 else []

        seen = wait_until(found, "all four have been looked at")
        answer, told = repair(
            desk, [row[0] for row in seen], "--winner", "a", "--apply"
        )

        assert answer.code == 0, answer.out + answer.err
        a, b = (
            sorted(node.execute(f"select id, v, n from {one.table}"))
            for node in pair.nodes
        )
        assert a == b
        assert len(a) == 5
    assert {row[1] for row in seen} == {"diverged"}
    assert [one["keys"] for one in told] == [
        [{"id": "1"}],
        [{"id": "2"}],
        [{"id": "3"}, {"id": "33"}],
        [{"id": "4"}],
    ]


@pytest.mark.majors(18, 19)
def test_a_key_that_was_cut_off_is_no_key(pair: Pair, desk: Desk) -> None:
    ddl = "create table {t} (name text not null unique, v int)"
    ddl += "; alter table {t} replica identity full"
    with pair.replicate(ddl) as one, Daemon(pair, desk.log_dsn) as daemon:
        fill(one, 1, f"insert into {{t}} select '{LONG}', n")
        apart(one, "b", "delete from {t}")
        pair.a.execute(f"update {one.table} set v = 2")

        def judged() -> list[tuple[Any, ...]]:
            return daemon.rows(
                "select conflict_id, verdict from pgconflict.conflict_log"
                f" where relname = '{one.relname}' and verdict is not null"
            )

        ((number, verdict),) = wait_until(judged, "it has been looked at")
        answer, (told,) = repair(desk, [number], "--winner", "a", "--apply")
        found = desk.run("--json", "conflicts", "verify", one.table).document
        ids = [row["conflict_id"] for row in found["findings"]]
        by_verify = repair(desk, ids, "--winner", "a", "--apply")[0]

        assert pair.b.value(f"select v from {one.table}") == 2
    assert verdict == "unverifiable"
    assert (answer.code, told["outcome"]) == (3, "refused")
    assert "one unique index whose columns are all recorded" in told["said"][0]
    assert by_verify.code == 0
