"""kill -9 at every statement of a repair: nothing or all is written, and it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.apart import apart, fill
from tests.fixtures.killed import code_or_killed
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair, Replicated


def values(replicated: Replicated) -> list[dict[int, str]]:
    return [
        dict(node.execute(f"select id, t::text from {replicated.table} t"))
        for node in replicated.pair.nodes
    ]


@pytest.mark.majors(18)
def test_killed_at_every_statement(pair: Pair, desk: Desk) -> None:
    killed_at_every_statement(pair, desk)


def killed_at_every_statement(pair: Pair, desk: Desk) -> None:
    died = 0
    written: list[bool] = []
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = '0' where id = 1")
        found = desk.run("--json", "conflicts", "verify", replicated.table)
        (finding,) = found.document["findings"]
        words = ["conflicts", "repair", str(finding["conflict_id"])]
        words += ["--winner", "a", "--apply"]
        while True:
            apart(replicated, "b", f"update {{t}} set v = 'b{died}' where id = 1")
            before = values(replicated)
            code = code_or_killed(died, desk, words, record="repair_begin")
            if code is not None:
                assert code == 0
                break
            wait_until(lambda: no_sessions(pair), "the servers have noticed")
            after = values(replicated)
            assert after[0] == before[0]
            assert after[1] in (before[0], before[1])
            written.append(after[1] == after[0])

            again = desk.run(*words)

            assert again.code == 0, again.out + again.err
            assert "was cut short" in again.err
            a, b = values(replicated)
            assert a == b
            died += 1
    # Before the commit and behind it.
    assert died > 12
    assert sorted(written) == written
    assert set(written) == {False, True}
    unfinished = desk.ask_log(
        "select count(*) from pgconflict.repair where outcome is null"
    )
    assert unfinished[0][0] >= died - 3


def no_sessions(pair: Pair) -> bool:
    return not any(
        node.execute(
            "select from pg_stat_activity where application_name = 'pgconflict/repair'"
        )
        for node in pair.nodes
    )
