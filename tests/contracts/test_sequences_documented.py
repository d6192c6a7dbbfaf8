"""docs/sequences.md has every state and every risk."""

from __future__ import annotations

import re

from pgconflict.core.sequence_check import Risk
from pgconflict.core.sequence_compare import State
from tests.contracts.tree import ROOT

PAGE = (ROOT / "docs" / "sequences.md").read_text(encoding="utf-8")


def test_every_state_is_explained() -> None:
    section = PAGE.split("\n## diff\n")[1].split("\n## ")[0]
    rows = "\n".join(re.findall(r"^\| (`.+?) \|", section, re.MULTILINE))

    assert set(re.findall(r"`(\w+)`", rows)) == set(State)


def test_every_risk_has_its_section() -> None:
    assert set(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == set(Risk)
