"""How long a shell waits for the shortest answer."""

from __future__ import annotations

import sys

from tests.bench.harness import (
    Line,
    Workshop,
    alternate,
    at_most,
    measurement,
    pgconflict,
    program,
    without_aim,
)
from tests.fixtures.postgres import found

# A start is short beside the noise of a busy machine.
TIMES = 8


@measurement
def start(workshop: Workshop) -> list[Line]:
    """`pgconflict --version` beside an empty Python, and beside psql."""
    ours = program(*pgconflict("--version"))
    python = program(sys.executable, "-c", "pass")
    rounds = workshop.rounds * TIMES
    lines = [
        at_most(
            "pgconflict --version",
            alternate(ours, python, rounds).ratios,
            "x python -c pass",
            2,
        )
    ]
    for installation in found().installations.values():
        if (installation.bin_dir / "psql").exists():
            psql = program(str(installation.bin_dir / "psql"), "--version")
            ratios = alternate(ours, psql, rounds).ratios
            what = "pgconflict --version"
            lines.append(without_aim(what, ratios, "x psql --version"))
            break
    return lines
