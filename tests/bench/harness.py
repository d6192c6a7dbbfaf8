"""What every measurement shares: alternating runs, their ratio, one table at the end.

A ratio says more than a number of seconds: both sides ran on the same machine, one
after the other, again and again.  Nothing here is a test: a machine that is busy
fails no build.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from tests.fixtures.servers import Servers


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        measured: With its unit, or what it is a multiple of.
        spread: Least and most of the runs, in the same unit.
        aim: What was hoped for; empty if nothing was.
        met: Whether the aim was reached; None without an aim.
    """

    what: str
    measured: str
    spread: str = ""
    aim: str = ""
    met: bool | None = None


@dataclass
class Workshop:
    """A folder and servers for the measurements; both are gone at the end."""

    rounds: int
    directory: Path = field(init=False)
    servers: Servers = field(init=False)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="pgconflict-bench-"))
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        # Servers that root starts run as another account.
        self.directory.chmod(0o711)
        self.servers = self._stack.enter_context(Servers(self.directory))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


Measurement = Callable[[Workshop], list[Line]]

MEASUREMENTS: dict[str, Measurement] = {}


def measurement(function: Measurement) -> Measurement:
    """Enter a function into the table; its name is what `make bench` knows it by."""
    MEASUREMENTS[function.__name__] = function
    return function


def say(text: str) -> None:
    """Tell on standard error how far it is."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Pairs:
    """Seconds of two things that were run in turn."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times longer than theirs ours took, a round."""
        return [one / two for one, two in zip(self.ours, self.theirs, strict=True)]

    @property
    def speeds(self) -> list[float]:
        """How many times faster than theirs ours was, a round."""
        return [two / one for one, two in zip(self.ours, self.theirs, strict=True)]


def alternate(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> Pairs:
    """Run both in turn, once without a clock and then `rounds` times with one."""
    ours()
    theirs()
    pairs = Pairs([], [])
    for _ in range(rounds):
        pairs.ours.append(seconds(ours))
        pairs.theirs.append(seconds(theirs))
    return pairs


def seconds(action: Callable[[], object]) -> float:
    """Return how long it took."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def program(*words: str, expect: int = 0) -> Callable[[], None]:
    """Return what runs the program; its output is read and thrown away."""

    def run() -> None:
        done = subprocess.run(
            words,
            check=False,
            stdin=subprocess.DEVNULL,
            # Not /dev/null: grep sees that nobody reads it, and ends at the first hit.
            capture_output=True,
            # grep is many times slower where characters may be longer than a byte.
            env=os.environ | {"LC_ALL": "C"},
        )
        if done.returncode != expect:
            raise RuntimeError(f"{words}: {done.returncode}: {done.stderr.decode()}")

    return run


def pgconflict(*words: str) -> list[str]:
    """Return the command line of the pgconflict of this Python."""
    script = Path(sys.executable).parent / "pgconflict"
    start = [str(script)] if script.exists() else [sys.executable, "-m", "pgconflict"]
    return [*start, *words]


def at_least(what: str, values: list[float], unit: str, aim: float) -> Line:
    """Return a line for something of which more is better."""
    line = without_aim(what, values, unit)
    return replace(line, aim=f"≥ {aim:g}", met=middle(values) >= aim)


def at_most(what: str, values: list[float], unit: str, aim: float) -> Line:
    """Return a line for something of which less is better."""
    line = without_aim(what, values, unit)
    return replace(line, aim=f"≤ {aim:g}", met=middle(values) <= aim)


def without_aim(what: str, values: list[float], unit: str) -> Line:
    """Return a line for something that is worth knowing."""
    spread = f"{number(min(values))} .. {number(max(values))}"
    measured = f"{number(middle(values))} {unit}"
    return Line(what, measured, spread if len(values) > 1 else "")


def middle(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def percentile(values: list[float], percent: float) -> float:
    """Return the least value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    place = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(place) - 1)]


def number(value: float) -> str:
    """Return three significant digits, or all digits before the point.

    >>> number(0.01234), number(3.456), number(123456.7)
    ('0.0123', '3.46', '123457')
    """
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
