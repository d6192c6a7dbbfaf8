"""Two readings of /metrics, and what changed between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

# Source: Prometheus exposition formats, text format 0.0.4.
_SAMPLE: Final = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# A clock always moves, and so does what the daemon itself needs.
_CLOCKS: Final = ("_timestamp_seconds", "_created")
_PREFIX: Final = "pgconflict_"


@dataclass(frozen=True, slots=True, order=True)
class Moved:
    """One series whose value changed; `before` is None for one that was not there."""

    name: str
    labels: tuple[tuple[str, str], ...]
    before: float | None
    after: float


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parse(text: str) -> Samples:
    r"""Return the samples of a page in Prometheus' text format.

    >>> parse('# TYPE a counter\na_total{node="x"} 2.0\n')
    {('a_total', (('node', 'x'),)): 2.0}
    """
    samples = {}
    for line in text.splitlines():
        found = None if line.startswith("#") else _SAMPLE.match(line)
        if found:
            labels = tuple(_LABEL.findall(found["labels"] or ""))
            samples[found["name"], labels] = float(found["value"])
    return samples


def moved(before: Samples, after: Samples) -> list[Moved]:
    """Return pgconflict's own series that differ, sorted; clocks are left out."""
    return sorted(
        Moved(name, labels, before.get((name, labels)), value)
        for (name, labels), value in after.items()
        if name.startswith(_PREFIX)
        and not name.endswith(_CLOCKS)
        and before.get((name, labels), 0.0) != value
    )


class Table(NamedTuple):
    """How far series moved: label and metric names, and a row of both values each."""

    labels: list[str]
    metrics: list[str]
    rows: list[list[str]]


def tables(series: Sequence[Moved]) -> list[Table]:
    """Return how far each series moved, a table for each set of labels.

    Metrics with the same labels stand beside each other, to be compared.

    >>> a = Moved("pgconflict_a_total", (("node", "x"),), 0.0, 3.0)
    >>> b = Moved("pgconflict_b_total", (("node", "x"),), None, 2.0)
    >>> tables([a, b])
    [Table(labels=['node'], metrics=['a_total', 'b_total'], rows=[['x', '+3', '+2']])]
    """
    found: dict[tuple[str, ...], dict[tuple[str, ...], dict[str, str]]] = {}
    for each in series:
        labels = dict(sorted(each.labels, key=_place))
        rows = found.setdefault(tuple(labels), {})
        cells = rows.setdefault(tuple(labels.values()), {})
        name = each.name.removeprefix(_PREFIX)
        cells[name] = f"{each.after - (each.before or 0.0):+.15g}"
    made = []
    for label_names, rows in sorted(found.items(), key=lambda item: -len(item[0])):
        metrics = list(dict.fromkeys(name for cells in rows.values() for name in cells))
        body = [
            [*values, *(cells.get(name, "") for name in metrics)]
            for values, cells in sorted(rows.items())
        ]
        made.append(Table(list(label_names), metrics, body))
    return made


def _place(label: tuple[str, str]) -> tuple[int, str]:
    """Labels that every metric has come first."""
    first = ("node", "subscription")
    name = label[0]
    return (first.index(name) if name in first else len(first), name)
