"""`--winner ask`: each row is shown on a terminal, and an answer taken."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.apart import apart, fill
from tests.servers.repair.test_repair import findings, rows

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair

QUESTION = "whose version stays (a, b; nothing: none)? "


Program = subprocess.Popen[bytes]
Reply = str | Callable[[Program], str | None]


def on_a_terminal(words: list[str], answers: Sequence[Reply]) -> tuple[int, str]:
    """Run the program on a terminal and answer what it asks.

    An answer may be done instead of given: the program is interrupted, say.
    """
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "pgconflict", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    said, asked = "", 0
    left = list(answers)
    deadline = time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                said += os.read(ours, 4096).decode()
            except OSError:  # the other end is closed
                break
            if said.count(QUESTION) > asked:
                asked += 1
                answer = left.pop(0)
                text = answer if isinstance(answer, str) else answer(program)
                if text is not None:
                    os.write(ours, f"{text}\n".encode())
        return program.wait(10), said
    finally:
        program.kill()
        program.wait()
        os.close(ours)


def interrupted(program: Program) -> None:
    """Send an interrupt, as somebody who has read the question."""
    # One that comes between the prompt and the reading is seen at the next key.
    time.sleep(0.5)
    program.send_signal(signal.SIGINT)


@pytest.mark.majors(18)
def test_asks_for_each_row(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id in (1, 2)")
        ids = [str(one) for one in findings(desk, replicated)]
        file = str(desk.folder / "pgconflict.yml")
        words = ["--config", file, "conflicts", "repair", *ids, "--winner", "ask"]

        code, said = on_a_terminal([*words, "--apply"], ["", "nonsense", "b"])

        assert rows(pair.a, replicated)[2] == "(2,b)"
        assert rows(pair.a, replicated)[1] == "(1,v)"
    assert code == 0, said
    assert "1 left, 1 repaired" in said


@pytest.mark.majors(18)
def test_an_interrupt_at_the_question_ends_it_at_once(pair: Pair, desk: Desk) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id in (1, 2)")
        ids = [str(one) for one in findings(desk, replicated)]
        file = str(desk.folder / "pgconflict.yml")
        words = ["--config", file, "conflicts", "repair", *ids, "--winner", "ask"]

        code, said = on_a_terminal(
            [*words, "--apply"],
            ["b", interrupted],
        )

        assert rows(pair.a, replicated)[1] == "(1,b)"
        assert rows(pair.a, replicated)[2] == "(2,v)"
    assert code == 130, said
    assert "1 row: 1 repaired" in said
    assert "not looked at, or not to the end: 1 row" in said


@pytest.mark.majors(18)
def test_a_row_that_was_written_under_the_question_is_asked_about_again(
    pair: Pair, desk: Desk
) -> None:
    with pair.replicate() as replicated:
        fill(replicated, 3)
        apart(replicated, "b", "update {t} set v = 'b' where id = 1")
        ids = [str(one) for one in findings(desk, replicated)]
        file = str(desk.folder / "pgconflict.yml")
        words = ["--config", file, "conflicts", "repair", *ids, "--winner", "ask"]

        def late(_: Program) -> str:
            apart(replicated, "b", "update {t} set v = 'late' where id = 1")
            return "b"

        code, said = on_a_terminal([*words, "--apply"], [late, ""])

        assert rows(pair.a, replicated)[1] == "(1,v)"
    assert code == 0, said
    assert "written meanwhile" in said
    assert "v=late" in said
    assert "1 left" in said


@pytest.mark.majors(18)
def test_without_a_terminal_nobody_can_be_asked(desk: Desk) -> None:
    asked = desk.run("conflicts", "repair", "1", "--winner", "ask")
    told = desk.run("--json", "conflicts", "repair", "1", "--winner", "ask")

    assert (asked.code, told.code) == (2, 2)
    assert "needs a terminal" in asked.err
