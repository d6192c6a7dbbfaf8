"""What stands in the way for a while: apply behind, another repair, rows too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pgconflict.cli import repair_work
from pgconflict.core.repair import ORIGIN
from tests.fixtures.apart import apart, fill
from tests.fixtures.settling import spy_on_settle
from tests.servers.repair.test_repair import findings, repair, same

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair

pytestmark = pytest.mark.majors(18)


def test_apply_that_is_behind_is_waited_for_once(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    with pair.replicate() as replicated:
        fill(replicated, 4)
        apart(replicated, "b", "update {t} set v = 'b' where id < 4")
        ids = findings(desk, replicated)
        replicated.to_b.alter("disable")
        pair.a.execute(f"update {replicated.table} set v = 'late' where id = 4")
        spy_on_settle(monkeypatch, lambda wait_s, _: waits.append(wait_s))
        monkeypatch.setattr(repair_work, "AT_ONCE", 1)

        answer, told = repair(desk, ids, "--winner", "a", "--apply", "--wait", "2")

        replicated.to_b.alter("enable")
    assert answer.code == 3
    assert all("has not brought everything" in one["said"][0] for one in told)
    assert waits == [2, 1, 1]


def test_another_repair_is_named_with_the_way_on(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1")
        ids = findings(desk, replicated)
        with pair.b.connect() as other:
            other.execute(
                "select pg_replication_origin_create(%s) where not exists"
                " (select from pg_replication_origin where roname = %s)",
                (ORIGIN, ORIGIN),
            )
            other.execute("select pg_replication_origin_session_setup(%s)", (ORIGIN,))
            refused, (told,) = repair(desk, ids, "--winner", "a", "--apply")
        done, _ = repair(desk, ids, "--winner", "a", "--apply")

        assert same(replicated)
    assert (refused.code, told["outcome"]) == (3, "refused")
    assert "another repair is at work" in told["said"][1]
    assert done.code == 0


def test_rows_too_large_to_be_read_together_are_read_one_by_one(
    pair: Pair, desk: Desk
) -> None:
    pair.both(
        "create type slow as (x int);"
        "create function slow_text(slow) returns text language sql as"
        " $$ select pg_catalog.pg_sleep(0.1); select ($1).x::text $$;"
        "create cast (slow as text) with function slow_text"
    )
    desk.limits = "statement_timeout: 500ms"
    try:
        with pair.replicate("create table {t} (id int primary key, v slow)") as one:
            apart(
                one,
                "a",
                "insert into {t} select n, row(n)::slow from generate_series(1, 6) n",
            )
            ids = findings(desk, one)

            answer, told = repair(desk, ids, "--winner", "a")
    finally:
        pair.both("drop type slow cascade")
    assert answer.code == 0, answer.err
    assert [each["outcome"] for each in told] == ["planned"] * 6
