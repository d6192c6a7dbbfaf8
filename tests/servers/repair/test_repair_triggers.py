"""Triggers that fire as rows are written like apply does, and rows that are hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.apart import apart, fill
from tests.servers.repair.test_repair import findings, repair, rows, same

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair

DDL = (
    "create table {t} (id int primary key, v text);"
    "create or replace function changes() returns trigger language plpgsql as"
    " $$ begin new.v = 'changed'; return new; end $$;"
    "create or replace function suppresses() returns trigger language plpgsql as"
    " $$ begin return null; end $$;"
)


@pytest.mark.majors(16, 19)
@pytest.mark.parametrize(
    ("does", "enabled", "said"),
    [
        ("changes", "replica", "v is not what was written"),
        ("suppresses", "always", "UPDATE wrote 0 rows"),
    ],
)
def test_what_a_trigger_makes_of_the_row_is_seen_before_the_commit(
    pair: Pair, desk: Desk, does: str, enabled: str, said: str
) -> None:
    with pair.replicate(DDL) as one:
        fill(one, 2)
        apart(one, "b", "update {t} set v = 'b' where id = 1")
        ids = findings(desk, one)
        pair.b.execute(
            f"create trigger mine before update on {one.table}"
            f" for each row execute function {does}();"
            f"alter table {one.table} enable {enabled} trigger mine"
        )

        answer, (told,) = repair(desk, ids, "--winner", "a", "--apply")
        untouched = rows(pair.b, one)
        pair.b.execute(f"drop trigger mine on {one.table}")
        again = repair(desk, ids, "--winner", "a", "--apply")[0]

        assert same(one)
    assert (answer.code, told["outcome"], again.code) == (3, "refused", 0)
    assert said in told["said"][0]
    assert "trigger" in told["said"][1]
    assert told["effects"]["b"]["fires"] == ["mine"]
    assert untouched[1] == "(1,b)"


@pytest.mark.majors(18)
def test_rows_that_are_hidden_from_the_role_are_refused_with_the_remedy(
    pair: Pair, desk: Desk
) -> None:
    with pair.replicate() as one:
        fill(one, 2)
        apart(one, "b", "update {t} set v = 'b' where id = 1")
        ids = findings(desk, one)
        pair.b.execute(
            f"create role hidden_from login; grant all on {one.table} to hidden_from;"
            f"alter table {one.table} enable row level security"
        )
        desk.knows(a=pair.a.dsn, b=f"{pair.b.dsn} user=hidden_from")
        try:
            answer, (told,) = repair(desk, ids, "--winner", "a", "--apply")
        finally:
            pair.b.execute("drop owned by hidden_from; drop role hidden_from")

    assert (answer.code, told["outcome"]) == (3, "refused")
    assert "row security hides rows" in told["said"][0]
    assert "BYPASSRLS" in told["said"][1]
