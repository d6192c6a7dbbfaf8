"""What taking one conflict apart costs, beside decoding its JSON and no more.

Each conflict is of another transaction than the one before: in a burst of a single
transaction (`burst`) most of an entry is known from the one before it.
"""

from __future__ import annotations

import json

from pgconflict.core.recogniser import Recogniser
from tests.bench.harness import (
    Line,
    Workshop,
    alternate,
    measurement,
    without_aim,
)
from tests.bench.logs import FORMATS, PREFIX, missing_row, started

CONFLICTS = 60_000
CHUNK = 1 << 18


@measurement
def recognise(workshop: Workshop) -> list[Line]:
    """Conflicts a second from log bytes, and times the speed of `json.loads`."""
    lines = []
    for log_format in FORMATS:
        entries = [missing_row(log_format, number) for number in range(CONFLICTS)]
        log = started(log_format) + b"".join(entries)

        def ours(log: bytes = log, log_format: str = log_format) -> None:
            _recognise(log, log_format)

        def decode(entries: list[bytes] = entries) -> None:
            for entry in entries:
                json.loads(entry)

        # The other formats have no library that reads an entry.
        theirs = decode if log_format == "jsonlog" else ours
        pairs = alternate(ours, theirs, workshop.rounds)
        rates = [CONFLICTS / seconds for seconds in pairs.ours]
        what = f"recognise, {log_format}"
        lines.append(without_aim(what, rates, "conflicts/s"))
        if log_format == "jsonlog":
            lines.append(without_aim(what, pairs.speeds, "x json.loads"))
    return lines


def _recognise(log: bytes, log_format: str) -> None:
    recogniser = Recogniser(log_format, log_line_prefix=PREFIX, log_timezone="UTC")
    found = 0
    for begin in range(0, len(log), CHUNK):
        found += len(recogniser.feed(log[begin : begin + CHUNK]))
    found += len(recogniser.end_of_file())
    if found < CONFLICTS:
        raise RuntimeError(f"{found} of {CONFLICTS} conflicts found in {log_format}")
