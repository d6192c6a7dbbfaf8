"""Fuzzes the recogniser: `python -m tests.fuzz.recogniser --seconds 600`.

Real logs are spoilt (bytes flipped, pieces cut out, doubled, moved between entries
and formats, hostile words put in), cut anywhere and read. It must never raise, take
long, keep much, or depend on the cutting; and a reader that takes over must find what
the first would have found. What fails is written to the working directory.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.fixtures.corpus_logs import FORMATS, log, recogniser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.conflict import Entry

RUNS: Final = ("15/de", "15/noprefix", "18/nots", "18/spoof", "18/verbose", "19/fr")
SECONDS_A_MEGABYTE: Final = 20.0
LONGEST: Final = 20_000  # bytes of an entry
WORDS: Final = (
    b"logical replication ",
    b"logical replication apply worker",
    b"\n",
    b"\n\t",
    b"\t",
    b'"',
    b'""',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b",",
    b"\0",
    b"\xff\xfe",
    b"\xe2\x80",
    b"{",
    b"}",
    b"ERROR:  ",
    b"LOG:  ",
    b"DETAIL:  ",
    b"CONTEXT:  ",
    b"STATEMENT:  ",
    b"LOCATION:  a, b.c:1\n",
    b"00000: ",
    b'conflict detected on relation "a.b": conflict=update_missing',
    b'processing remote data for replication origin "pg_1" during message type "',
    b" in transaction 1, finished at 0/1",
    b"\n2026-11-20 17:29:25.083 UTC,,,1,,6b.1,1,,",
    b"2026-11-20 17:29:25.083 UTC [1] ",
    b'{"timestamp":"2026-11-20 17:29:25.083 UTC",',
    b"; replica identity ",
    b"), remote row (",
    b"); existing local row (",
    b'Key already exists in unique index "',
    b'subscription "s" has been disabled because of an error',
    b"2026-11-20 17:29:25 XYZ",
    b"\x1b[2J\r",
)


def piece(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A part of a real log."""
    seed = dice.choice(seeds)
    begin = dice.randrange(len(seed))
    return seed[begin : begin + dice.choice((20, 200, 3000, 12_000))]


def spoilt(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Something that could be a log, and mostly was one."""
    data = bytearray(piece(dice, seeds))
    if dice.random() < 0.5:
        data = bytearray(data[data.find(b"\n") + 1 :])
    for _ in range(dice.choice((0, 1, 1, 2, 5, 20))):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0:
                data[at:at] = dice.choice(WORDS)
            case 1:
                data[at : at + dice.randrange(1, 60)] = b""
            case 2:
                data[at:at] = piece(dice, seeds)[: dice.randrange(1, 500)]
            case 3:
                if data:
                    data[at % len(data)] = dice.randrange(256)
            case 4:
                end = at + dice.randrange(1, 400)
                data[at:at] = data[at:end]
            case _:
                data[at:at] = dice.choice(WORDS) * dice.choice((1, 2, 50))
    return bytes(data)


def read(run: str, log_format: str, pieces: Sequence[bytes]) -> list[Entry]:
    reader = recogniser(run, log_format, max_entry_bytes=LONGEST)
    found: list[Entry] = []
    for each in pieces:
        found += reader.feed(memoryview(each))
    found += reader.end_of_file()
    assert not reader.unrecognised["defect"]
    return found


def check(dice: random.Random, run: str, log_format: str, data: bytes) -> None:
    """Raise AssertionError, or anything, if the recogniser is not as it must be."""
    begin = time.monotonic()
    whole = read(run, log_format, [data])
    seconds = time.monotonic() - begin
    assert seconds < 5 + SECONDS_A_MEGABYTE * len(data) / 1e6, f"{seconds} s"
    places = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(8)))
    edges = [0, *places, len(data)]
    pieces = [data[a:b] for a, b in pairwise(edges)]
    assert read(run, log_format, pieces) == whole, "the cutting matters"
    first = recogniser(run, log_format, max_entry_bytes=LONGEST)
    found: list[Entry] = []
    for each in pieces[: len(pieces) // 2]:
        found += first.feed(each)
    state = json.dumps(first.state())
    assert len(state) < 4 * len(data) + 1000, "the state is large"
    second = recogniser(
        run, log_format, max_entry_bytes=LONGEST, state=json.loads(state)
    )
    found += second.feed(data[first.consumed :])
    found += second.end_of_file()
    assert found == whole, "a reader that takes over finds something else"
    first.flush()
    for entry in whole:
        assert "password" not in repr(entry)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--format", choices=[*FORMATS, "all"], default="all")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    dice = random.Random(arguments.seed)
    formats = list(FORMATS) if arguments.format == "all" else [arguments.format]
    end = time.monotonic() + arguments.seconds
    done = failures = 0
    while time.monotonic() < end and failures < 5:
        run, log_format = dice.choice(RUNS), dice.choice(formats)
        seeds = [log(run, log_format), log(dice.choice(RUNS), dice.choice(formats))]
        data = spoilt(dice, seeds)
        try:
            check(dice, run, log_format, data)
        except Exception:  # noqa: BLE001 - whatever it is, it is what we look for
            failures += 1
            path = Path(f"fuzz-{arguments.seed}-{done}.{log_format}")
            path.write_bytes(data)
            print(f"{path} ({run}, {log_format}):", file=sys.stderr)
            traceback.print_exc()
        done += 1
    print(f"{done} inputs, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
