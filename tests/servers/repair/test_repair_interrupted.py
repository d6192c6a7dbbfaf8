"""Cut short by an interrupt or by a node that is away: what was done is said."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import make_conninfo

from pgconflict.cli import stopped_work
from pgconflict.cli.repair_rows import RowPlanner
from pgconflict.server.stopped_apply import apply
from tests.fixtures.apart import apart, fill
from tests.fixtures.waiting import wait_until
from tests.servers.repair import test_stopped as stopped_tests
from tests.servers.repair.test_repair import findings, same

if TYPE_CHECKING:
    from pgconflict.cli.repair_wanted import Wanted
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair

pytestmark = pytest.mark.majors(18)


def test_interrupted_behind_the_commit_it_says_that_it_is_written(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id in (1, 2)")
        ids = findings(desk, replicated)

        async def states(_: RowPlanner, __: Wanted) -> set[str]:
            raise asyncio.CancelledError

        monkeypatch.setattr(RowPlanner, "states", states)
        with pytest.raises(asyncio.CancelledError):
            desk.run(
                *("conflicts", "repair", *map(str, ids)), *("--winner", "a", "--apply")
            )
        said = desk.capsys.readouterr().out
        monkeypatch.undo()
        stored = desk.ask_log("select outcome, written, seen from pgconflict.repair")
        again = desk.run(
            *("conflicts", "repair", *map(str, ids)), *("--winner", "a", "--apply")
        )

        assert same(replicated)
    assert "written: written, and not looked at again: interrupted" in said
    assert "recorded: repair" in said
    assert "not looked at, or not to the end: 1 row" in said
    ((outcome, written, _),) = stored
    assert (outcome, written) == ("written", ["b"])
    assert again.code == 0, again.out
    assert "2 rows: 1 equal, 1 repaired" in again.out


def test_a_pipe_that_nobody_reads_is_no_success(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 200)
        apart(replicated, "b", "update {t} set v = 'b'")
        ids = findings(desk, replicated)
        words = ["conflicts", "repair", *map(str, ids), "--winner", "a", "--apply"]
        config = ["--config", str(desk.folder / "pgconflict.yml")]
        ours, theirs = os.pipe()
        with subprocess.Popen(
            [sys.executable, "-m", "pgconflict", *config, *words],
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
        ) as program:
            os.close(theirs)
            os.read(ours, 1)
            os.close(ours)
            _, said = program.communicate(timeout=30)
        again = desk.run(*words)

        assert same(replicated)
    assert program.returncode == 3, said
    assert "the same command again goes on" in said
    assert again.code == 0


def test_a_node_that_is_away_is_no_row_that_agrees(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1")
        ids = findings(desk, replicated)
        desk.knows(a=pair.a.dsn, b=make_conninfo(pair.b.dsn, port=1))

        answer = desk.run("conflicts", "repair", str(ids[0]), "--winner", "a")

    assert answer.code == 69
    assert "no row differs" not in answer.out
    assert "not looked at, or not to the end: 1 row" in answer.out


def test_what_is_done_is_said_where_apply_can_not_be_watched(
    pair: Pair, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stopped_tests.stopped(pair, *stopped_tests.INSERT) as one:
        number = stopped_tests.conflict(desk, one)
        pair.b.execute("create role passing superuser login")
        try:

            def then_away(*values: Any) -> Any:
                done = apply(*values)
                pair.b.execute("alter role passing nologin")
                return done

            monkeypatch.setattr(stopped_work, "apply", then_away)
            desk.knows(a=pair.a.dsn, b=make_conninfo(pair.b.dsn, user="passing"))
            answer = desk.run(
                *("conflicts", "repair", str(number), "--keep", "ours"),
                *("--apply", "--reason", "test"),
            )
        finally:
            pair.b.execute("drop role passing")
        stored = desk.ask_log("select outcome from pgconflict.subscription_action")

        wait_until(lambda: 8 in stopped_tests.rows(pair.b, one), "apply runs on")
    assert answer.code not in {0, 1}
    assert "done; whether apply runs again was not seen" in answer.out
    assert "recorded: action" in answer.out
    assert stored == [("done",)]
