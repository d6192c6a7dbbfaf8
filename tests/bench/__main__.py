"""`python -m tests.bench [NAME ...]`: the measurements, and one table of them.

Names are those of the functions marked `measurement`; `--list` prints them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import sys
from typing import TYPE_CHECKING

import pytest

from pgconflict.cli.output import print_table
from tests import bench
from tests.bench.harness import MEASUREMENTS, Line, Workshop, say

if TYPE_CHECKING:
    from collections.abc import Iterable

_OWN = {"harness", "__main__"}


def main() -> int:
    for module in pkgutil.iter_modules(bench.__path__):
        if module.name not in _OWN:
            importlib.import_module(f"tests.bench.{module.name}")
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("name", nargs="*", help="what to measure; default: all")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--list", action="store_true", help="print the names")
    arguments = parser.parse_args()
    if arguments.list:
        for name, measure in sorted(MEASUREMENTS.items()):
            print(f"{name:24}{(measure.__doc__ or '').splitlines()[0]}")
        return 0
    if unknown := set(arguments.name) - set(MEASUREMENTS):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    lines: list[Line] = []
    with Workshop(arguments.rounds) as workshop:
        for name in arguments.name or sorted(MEASUREMENTS):
            say(f"measuring: {name}")
            try:
                lines += MEASUREMENTS[name](workshop)
            # pytest's way to say that a server is not here.
            except pytest.skip.Exception as missing:
                lines.append(Line(name, f"not measured: {missing}"))
    _print(lines)
    return 0


def _print(lines: Iterable[Line]) -> None:
    print(
        f"\n{os.cpu_count()} processors, {platform.machine()},"
        f" Python {platform.python_version()}, {platform.system()}"
        f" {platform.release()}; medians\n"
    )
    marks = {None: "", True: "met", False: "MISSED"}
    print_table(
        ["what", "measured", "spread", "aim", ""],
        [
            (line.what, line.measured, line.spread, line.aim, marks[line.met])
            for line in lines
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
