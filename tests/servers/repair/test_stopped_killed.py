"""kill -9 at the statements of a way out of stopped apply: nothing of it, or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.killed import code_or_killed
from tests.fixtures.waiting import wait_until
from tests.servers.repair.test_repair_killed import no_sessions
from tests.servers.repair.test_stopped import INSERT, conflict, rows, stopped

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair


@pytest.mark.majors(18)
@pytest.mark.parametrize("keep", ["ours", "both"])
def test_killed_between_statements(pair: Pair, desk: Desk, keep: str) -> None:
    died = 0
    with stopped(pair, *INSERT) as one:
        number = conflict(desk, one)
        before = rows(pair.b, one)
        words = ["conflicts", "repair", str(number), "--keep", keep, "--apply"]
        words += ["--reason", "test", "--json"]
        while rows(pair.b, one) == before:
            assert code_or_killed(died, desk, words, record="action_begin") is None
            wait_until(lambda: no_sessions(pair), "the server has noticed")
            died += 1
        # The commit: apply goes on, and is not done twice.
        one.catch_up()
        after = rows(pair.b, one)
        again = desk.run(*words)

        assert again.code == 3
        assert again.document["refusal"] == "past"
        assert rows(pair.b, one) == after
        assert after[8] == ("eight", "after")
        assert ("seven", "here") in after.values()
        assert len(after) == (4 if keep == "ours" else 5)
    assert died > 12
    outcomes = desk.ask_log(
        "select outcome, seen from pgconflict.subscription_action order by action_id"
    )
    # The first ones before that they are there was committed, the last one behind its
    # own commit, maybe after that was written down.
    assert died - 3 < len(outcomes) <= died
    assert {one[0] for one in outcomes[:-1]} == {None}, outcomes
    assert outcomes[-1][0] in {None, "done"}
