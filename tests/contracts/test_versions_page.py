"""docs/versions.md says of each version what core/capability.py knows of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pgconflict.core.capability import CAPABILITIES
from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgconflict.core.capability import Capability

TEXT = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
HEAD, _, *ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("|")
]
NO = "\N{EN DASH}"
NUMBERS = {NO: 0, "seven": 7, "eight": 8}

# Beginning of a row, to whether its cell says more than a dash, or a lesser thing.
KNOWN: dict[str, Callable[[Capability], bool]] = {
    "two-way": lambda one: one.origin_option,
    "`update_origin_differs`": lambda one: "update_origin_differs" in one.counted_types,
    "`update_deleted`": lambda one: "update_deleted" in one.counted_types,
    "the local row": lambda one: one.conflict_message,
    "large transactions": lambda one: one.parallel_apply,
    "logical slots": lambda one: one.upgraded_with_slots,
    "sequences": lambda one: one.sequence_sync,
}
YES: dict[str, Callable[[Capability], bool]] = {
    "`insert_exists`": lambda one: one.conflict_message,
    "`multiple_unique": lambda one: one.conflict_message,
    "`update_missing`": lambda one: not one.debug1_missing_rows,
    "SKIP": lambda one: one.skip_by_owner,
}


def cells(beginning: str) -> list[tuple[Capability, str]]:
    (row,) = (row for row in ROWS if row[0].startswith(beginning))
    return [
        (CAPABILITIES[int(major)], cell)
        for major, cell in zip(HEAD[1:], row[1:], strict=True)
    ]


def test_has_every_version() -> None:
    assert [int(major) for major in HEAD[1:]] == sorted(CAPABILITIES)


@pytest.mark.parametrize("row", KNOWN)
def test_what_is_there(row: str) -> None:
    for capability, cell in cells(row):
        assert (cell != NO) == KNOWN[row](capability), (capability.major, cell)


@pytest.mark.parametrize("row", YES)
def test_what_is_there_in_full(row: str) -> None:
    for capability, cell in cells(row):
        assert (cell == "yes") == YES[row](capability), (capability.major, cell)


def test_counters() -> None:
    for capability, cell in cells("counters by type"):
        assert NUMBERS[cell] == len(capability.counted_types)


def test_every_row_is_compared() -> None:
    beginnings = [*KNOWN, *YES, "counters by type", "counter of apply errors"]

    assert [row[0] for row in ROWS if not row[0].startswith(tuple(beginnings))] == []
    assert re.search("retain_dead_tuples", TEXT)
