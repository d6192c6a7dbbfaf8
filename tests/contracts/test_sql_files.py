"""Each SQL file says what it is for, and is for something."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.contracts.tree import ROOT, files

if TYPE_CHECKING:
    from pathlib import Path

QUERIES = sorted((ROOT / "sql" / "queries").glob("*.sql"))


def _comments(text: str) -> str:
    lines = text.splitlines()
    head = []
    for line in lines:
        if not line.startswith("--"):
            break
        head.append(line.removeprefix("--"))
    return "\n".join(head)


def _statement(text: str) -> str:
    """The text without comments and literals."""
    text = re.sub(r"--[^\n]*", "", text)
    return re.sub(r"'(?:[^']|'')*'", "''", text).strip()


@cache
def _sources() -> str:
    return "\n".join(
        path.read_text(encoding="utf-8") for path in files(".py", below="pgconflict")
    )


@pytest.fixture(params=QUERIES, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_has_a_header_with_the_privilege_it_needs(path: Path) -> None:
    assert "privilege" in _comments(path.read_text(encoding="utf-8"))


def test_is_one_statement(path: Path) -> None:
    assert ";" not in _statement(path.read_text(encoding="utf-8"))


def test_parameters_are_numbered_without_gap(path: Path) -> None:
    text = _statement(path.read_text(encoding="utf-8"))
    if "{filters}" in text:
        text += _statement((path.parent / "conflict_filters.sql").read_text())
    used = {int(number) for number in re.findall(r"\$(\d+)", text)}

    assert used == set(range(1, len(used) + 1))


def test_is_used(path: Path) -> None:
    name = path.name.split(".")[0]

    assert f'"{name}"' in _sources()
