"""The documents hold together: links lead somewhere, decisions are numbered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.contracts.tree import ROOT, files, named

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = [path for path in files(".md") if "corpus" not in path.parts]


def _without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def _anchor(title: str) -> str:
    """The anchor that GitHub and others give to a title."""
    plain = re.sub(r"[^\w\- ]", "", title.strip().lower())
    return plain.replace(" ", "-")


def _anchors(path: Path) -> set[str]:
    titles = re.findall(
        r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return {_anchor(title) for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    text = _without_code(path.read_text(encoding="utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (path.parent / place).resolve() if place else path
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in _anchors(file)
        ):
            broken.append(target)

    assert broken == []


def test_decisions_are_numbered_without_gap() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [int(path.name[:4]) for path in decisions]
    titles = [path.read_text(encoding="utf-8").splitlines()[0] for path in decisions]

    assert numbers == list(range(1, len(numbers) + 1))
    assert all(
        title.startswith(f"# {number}. ")
        for number, title in zip(numbers, titles, strict=True)
    )


def test_decisions_named_in_sources_exist() -> None:
    names = {
        name
        for path in files(".py", ".sql", ".md", ".yml")
        for name in re.findall(
            r"docs/adr/(\d{4}[\w-]*)", path.read_text(encoding="utf-8")
        )
    }
    there = [path.stem for path in (ROOT / "docs" / "adr").glob("*.md")]

    assert [
        name for name in names if not any(each.startswith(name) for each in there)
    ] == []
