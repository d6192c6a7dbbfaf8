"""Tables with row filters: what is compared, and that no repair goes round them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.apart import apart
from tests.fixtures.filtered import filtered
from tests.servers.repair.test_repair import findings, repair, rows

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair, Replicated


def fill(replicated: Replicated) -> None:
    table = replicated.table
    replicated.pair.a.execute(
        f"insert into {table} select n, 'c', 'v' from generate_series(1, 5) n;"
        # As it should be: it is not sent.
        f"insert into {table} values (6, 'a', 'only on a')"
    )
    replicated.catch_up()


def outcomes(told: list[Any]) -> dict[str, tuple[str, str]]:
    """By id: what came of it, and what was said."""
    return {
        one["keys"][0]["id"]: (one["outcome"], " ".join(one["said"])) for one in told
    }


@pytest.mark.majors(16, 18, 19)
def test_no_repair_goes_round_a_filter(pair: Pair, desk: Desk) -> None:
    with filtered(pair) as replicated:
        fill(replicated)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1")
        apart(replicated, "b", "delete from {t} where id in (2, 3)")
        apart(replicated, "b", "update {t} set region = 'b' where id = 4")
        ids = findings(desk, replicated)
        # Found, and as it should be since.
        apart(replicated, "a", "update {t} set region = 'a' where id = 3")

        refused = {
            winner: outcomes(repair(desk, ids, "--winner", winner)[1])
            for winner in ("a", "b")
        }
        answer, told = repair(desk, ids, "--winner", "a", "--apply")
        left = findings(desk, replicated)
        here, there = rows(pair.a, replicated), rows(pair.b, replicated)

    assert len(ids) == 4
    assert answer.code == 3
    done = outcomes(told)
    assert {key: outcome for key, (outcome, _) in done.items()} == {
        "1": "repaired",
        "2": "repaired",
        "3": "refused",
        "4": "repaired",
    }
    assert left == []
    differ = {key for key in here | there if here.get(key) != there.get(key)}
    assert differ == {3, 6}
    kept_back = "(region !~~ '%a%'::text) does not let node a's row pass: node b is not"
    for winner in ("a", "b"):
        outcome, said = refused[winner]["3"]
        assert outcome == "refused"
        assert f"{kept_back} sent it, and need not have it" in said
    outcome, said = refused["b"]["4"]
    assert outcome == "refused"
    assert "node b's row pass: node a is not to have it; --winner a" in said
    assert [refused["b"][key][0] for key in ("1", "2")] == ["planned"] * 2


@pytest.mark.majors(15)
def test_what_is_not_sent_does_not_differ(pair: Pair, desk: Desk) -> None:
    with filtered(pair, both=False) as replicated:
        fill(replicated)
        pair.b.execute(f"update {replicated.table} set v = 'b' where id = 1")
        pair.a.execute(f"update {replicated.table} set region = 'a' where id = 2")
        replicated.catch_up()

        ids = findings(desk, replicated)
        told = repair(desk, ids, "--winner", "a", "--apply")[1]
        left = findings(desk, replicated)

    assert [one["outcome"] for one in told] == ["repaired"]
    assert left == []


@pytest.mark.majors(15, 18)
def test_a_filter_of_a_column_that_the_other_node_does_not_have(
    pair: Pair, desk: Desk
) -> None:
    ddl = "create table {t} (id int primary key, v text)"
    with pair.replicate(ddl, both=False, publication={"publish": "insert"}) as one:
        pair.a.execute(
            f"alter table {one.table} add region text;"
            f"alter publication {one.to_b.publication}"
            f" set table {one.table} (id, v) where (region = 'b')"
        )
        answer = desk.run("conflicts", "verify", one.table)

    assert answer.code == 78
    assert "node b: the row filter (region = 'b'::text) can't be asked" in answer.err
