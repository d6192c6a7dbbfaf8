"""`--winner ask`: each row is shown on a terminal, and an answer taken."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.apart import apart, fill
from tests.servers.repair.test_repair import findings, rows

if TYPE_CHECKING:
    from tests.fixtures.operated import Desk
    from tests.fixtures.servers import Pair

QUESTION = "whose version stays (a, b; nothing: none)? "


def on_a_terminal(words: list[str], answers: list[str]) -> tuple[int, str]:
    """Run the program on a terminal and answer what it asks."""
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
                os.write(ours, f"{left.pop(0)}\n".encode())
        return program.wait(10), said
    finally:
        program.kill()
        program.wait()
        os.close(ours)


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
def test_without_a_terminal_nobody_can_be_asked(desk: Desk) -> None:
    asked = desk.run("conflicts", "repair", "1", "--winner", "ask")
    told = desk.run("--json", "conflicts", "repair", "1", "--winner", "ask")

    assert (asked.code, told.code) == (2, 2)
    assert "needs a terminal" in asked.err
