"""Where nobody subscribes to the node that stopped: PostgreSQL 15 has all ways out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.nodes import Pair
from tests.servers.repair.test_repair import findings
from tests.servers.repair.test_repair import repair as repair_rows
from tests.servers.repair.test_stopped import (
    INSERT,
    MULTIPLE,
    UPDATE,
    conflict,
    keep,
    repair,
    rows,
    stopped,
)

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Servers

GIVEN = {"insert": INSERT, "update": UPDATE, "multiple": MULTIPLE}


@pytest.mark.majors(15)
@pytest.mark.parametrize("given", GIVEN)
def test_theirs_takes_the_row_s_place(pair: Pair, desk: Desk, given: str) -> None:
    with stopped(pair, *GIVEN[given]) as one:
        keep(desk, conflict(desk, one), "theirs")
        one.catch_up()

        assert rows(pair.b, one) == rows(pair.a, one)


@pytest.mark.majors(15)
@pytest.mark.parametrize("given", GIVEN)
def test_both_stay_here(pair: Pair, desk: Desk, given: str) -> None:
    words = ["--new-key", "mail=other"] if given == "update" else []
    with stopped(pair, *GIVEN[given]) as one:
        done = keep(desk, conflict(desk, one), "both", *words)
        one.catch_up()

        here, there = rows(pair.b, one), rows(pair.a, one)
        assert there.items() <= here.items()
        ((key, row),) = here.items() - there.items()
    assert row == ("other" if words else "seven", "here")
    assert (key == 7) == bool(words)
    assert any(f"id={key}" in said for said in done["said"])


@pytest.mark.majors(15)
@pytest.mark.parametrize("given", ["update", "multiple"])
def test_skip_loses_the_whole_transaction(pair: Pair, desk: Desk, given: str) -> None:
    with stopped(pair, *GIVEN[given]) as one:
        number, before = conflict(desk, one), rows(pair.b, one)
        words = ("--keep", "skip", "--apply", "--reason", "test")
        answer, done = repair(desk, number, *words)
        one.catch_up()

        assert (answer.code, done["outcome"]) == (0, "skipped")
        assert rows(pair.b, one) == before | {8: ("eight", "after")}


@pytest.mark.majors(15)
def test_where_15_would_tell_a_subscriber_it_says_what_is_left(
    pair: Pair, desk: Desk
) -> None:
    with stopped(pair, *INSERT) as one:
        pair.b.execute(f"create publication onward for table {one.table}")
        pair.a.execute(
            f"create subscription onward connection '{pair.b.dsn}' publication onward"
            " with (enabled = false, copy_data = false)"
        )
        try:
            answer, plan = repair(desk, conflict(desk, one), "--keep", "theirs")
            text = desk.run("conflicts", "repair", str(plan["conflict_id"])).out
            done = keep(desk, plan["conflict_id"], "ours")
        finally:
            pair.a.execute("drop subscription onward")
            pair.b.execute("drop publication onward")

        assert rows(pair.b, one)[7] == ("seven", "here")
    assert (answer.code, plan["outcome"], done["outcome"]) == (3, "refused", "applied")
    possible = [name for name, way in plan["ways"].items() if way["possible"]]
    assert possible == ["ours", "skip"]
    assert "if both nodes are; --keep ours and skip do nothing" in text


@pytest.mark.majors(15)
def test_an_origin_that_the_publisher_does_not_know_keeps_nothing_away(
    pair: Pair, desk: Desk, servers: Servers
) -> None:
    """A subscriber of 16 and later has the option; its publisher of 15 does not."""
    mixed = Pair(pair.a, servers.pair(18).b)
    desk.knows(a=mixed.a.dsn, b=mixed.b.dsn)
    with mixed.replicate(both=False, subscription={"origin": "none"}) as one:
        pair.a.execute(f"insert into {one.table} values (1, 'a')")
        one.catch_up()
        mixed.b.execute(f"update {one.table} set v = 'b'")
        answer, (told,) = repair_rows(
            desk, findings(desk, one), "--winner", "b", "--apply"
        )

        assert pair.a.value(f"select v from {one.table}") == "a"
    assert (answer.code, told["outcome"]) == (3, "refused")
    assert "with origin = none, if both nodes are" in told["said"][0]
