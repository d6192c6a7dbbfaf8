"""docs/checks.md has a section for each check, and none for another."""

from __future__ import annotations

import re
from pathlib import Path

from pgconflict.server.checks import Check, Finding, Severity


def test_every_check_has_its_section() -> None:
    text = Path("docs/checks.md").read_text(encoding="utf-8")

    sections = re.findall(r"^## (\w+)$", text, re.MULTILINE)

    assert sorted(sections) == sorted(Check)


def test_a_finding_points_at_its_section() -> None:
    finding = Finding(
        node="a", check=Check.LC_MESSAGES, severity=Severity.NOTICE, seen="", why=""
    )

    assert finding.doc == "docs/checks.md#lc_messages"
