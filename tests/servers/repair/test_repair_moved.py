"""A row with another key on one node, and a column that only the other has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.apart import apart, fill
from tests.servers.repair.test_repair import findings, repair

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair


@pytest.mark.majors(16, 18)
def test_what_is_not_replicated_goes_with_the_row_to_its_new_key(
    pair: Pair, desk: Desk
) -> None:
    ddl = (
        "create table {t} (id int primary key, v text unique deferrable,"
        " w text generated always as (v || '!') stored)"
    )
    with pair.replicate(ddl) as replicated:
        fill(replicated, 3, "insert into {t} (id, v) select n, 'v' || n")
        pair.b.execute(f"alter table {replicated.table} add ours text")
        apart(replicated, "b", "update {t} set ours = 'kept ' || id")
        apart(replicated, "a", "update {t} set id = 50, v = 'moved' where id = 1")
        ids = findings(desk, replicated)
        # As the conflict of an UPDATE that changes the key has it.
        desk.ask_log(
            "update pgconflict.conflict_log set replica_identity = %s,"
            " remote_tuple = %s where conflict_id = %s returning 1",
            '{"id": "1"}',
            '{"id": "50", "v": "moved"}',
            ids[0],
        )

        answer, (told,) = repair(desk, ids[:1], "--winner", "a", "--apply")

        there = pair.b.execute(f"select * from {replicated.table} order by id")
    assert (answer.code, told["outcome"]) == (0, "repaired"), told
    assert [one.split()[0] for one in told["statements"]["b"]] == ["UPDATE"]
    assert there[-1] == (50, "moved", "moved!", "kept 1")
    assert [row[0] for row in there] == [2, 3, 50]
