"""kill -9 at every statement of a repair: nothing or all is written, and it goes on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgconflict.queries import query
from tests.fixtures.apart import apart, fill
from tests.fixtures.waiting import wait_until

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair, Replicated

BEGIN = query("repair_begin")


def killed_behind(number: int, desk: Desk, words: list[str]) -> bool:
    """Run a command in a process that dies behind a statement; False: it came through.

    Args:
        number: Of the statement, counted from the one that writes the repair down.
        desk: Runs it.
        words: The command.
    """
    child = os.fork()
    if child == 0:
        execute: Any = psycopg.Cursor.execute
        seen = 0

        def counted(self: Any, statement: Any, *more: Any, **how: Any) -> Any:
            nonlocal seen
            done = execute(self, statement, *more, **how)
            if seen or statement == BEGIN.encode():
                seen += 1
            if seen > number:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        psycopg.Cursor.execute = counted  # type: ignore[assignment,method-assign]
        code = 99
        try:
            code = desk.run(*words).code
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


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
            if not killed_behind(died, desk, words):
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
