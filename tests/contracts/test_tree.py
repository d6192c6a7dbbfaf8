"""What must stay true of the repository as a whole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.tree import ROOT, files, named

# Put together, so that this file does not hold what it looks for.
_FORBIDDEN = {
    "a number of some tracker": re.compile(r"\bissues? " + r"#?\d", re.IGNORECASE),
    "a developer's folder": re.compile(r"(?<![\w.])/" + r"(work|root|home/\w+)/"),
    "a note to ourselves": re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
}


@pytest.mark.parametrize("what", _FORBIDDEN)
def test_nothing_in_the_tree_speaks_of_its_making(what: str) -> None:
    found = [
        f"{named(path)}:{number}: {line.strip()}"
        for path in files()
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), 1
        )
        if _FORBIDDEN[what].search(line)
    ]

    assert found == []


def _version_comparisons(source: str) -> list[int]:
    """Lines that compare something called major or version with a number."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        names = {
            each.id if isinstance(each, ast.Name) else each.attr
            for each in ast.walk(node)
            if isinstance(each, ast.Name | ast.Attribute)
        }
        numbers = [
            each.value
            for each in ast.walk(node)
            if isinstance(each, ast.Constant) and isinstance(each.value, int)
        ]
        named_so = any(re.search(r"major|server_version|version_num", n) for n in names)
        if named_so and any(number >= 9 for number in numbers):
            lines.append(node.lineno)
    return lines


def test_version_comparisons_are_found() -> None:
    assert _version_comparisons("if self.major >= 18: pass") == [1]
    assert _version_comparisons("x = c.info.server_version < 160000") == [1]
    assert _version_comparisons("x = major in (15, 16)") == [1]
    assert _version_comparisons("x = since <= major") == []


def test_versions_are_compared_in_one_place() -> None:
    found = [
        f"{named(path)}:{line}"
        for path in files(".py", below="pgconflict")
        if named(path) != "pgconflict/core/capability.py"
        for line in _version_comparisons(path.read_text(encoding="utf-8"))
    ]

    assert found == []


def test_layers_hold() -> None:
    """import-linter's contracts of pyproject.toml are kept."""
    script = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [str(script), "--no-cache"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
