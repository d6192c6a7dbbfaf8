"""The files of the checkout, for tests that look at all of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

# Made by tools, or recorded from servers.
_NOT_OURS = {"__pycache__", "build", "corpus", "dist", "node_modules", "site"}
_BINARY = {".gz", ".ico", ".png", ".pyc", ".whl"}


def files(*suffixes: str, below: str = ".") -> Iterator[Path]:
    """Every text file of ours, of these suffixes; of any suffix without."""
    for folder, folders, names in os.walk(ROOT / below):
        folders[:] = [
            name
            for name in sorted(folders)
            if name not in _NOT_OURS
            and not name.endswith(".egg-info")
            and (not name.startswith(".") or name in {".ci", ".github"})
        ]
        for name in sorted(names):
            path = Path(folder, name)
            if name == ".git":  # a file, in a worktree
                continue
            if path.suffix not in _BINARY and (not suffixes or path.suffix in suffixes):
                yield path


def named(path: Path) -> str:
    """The path as seen from the root."""
    return str(path.relative_to(ROOT))
