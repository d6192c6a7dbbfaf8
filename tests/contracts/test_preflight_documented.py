"""docs/preflight.md has a section for each item, and none for another."""

from __future__ import annotations

import re
from pathlib import Path

from pgconflict.server.preflight.finding import Finding, Item, Severity


def test_every_item_has_its_section() -> None:
    text = Path("docs/preflight.md").read_text(encoding="utf-8")

    sections = re.findall(r"^### (\w+)$", text, re.MULTILINE)

    assert sorted(sections) == sorted(Item)


def test_a_finding_points_at_its_section() -> None:
    finding = Finding(
        node="a", item=Item.NOT_NULL, severity=Severity.ERROR, seen="", why=""
    )

    assert finding.doc == "docs/preflight.md#not_null"
