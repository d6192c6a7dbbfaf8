"""Puts what a run of the demonstration printed into README.md, shortened.

make demo | python tools/readme_demo.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- printed by `make demo` -->\n", "<!-- end -->\n"
# Parts of the output, each from its first line to the line before the next.
PARTS = (
    ("  0.0 s|  0.[0-9] s", "The transaction"),
    ("What to do", "Metrics that moved"),
    ("node  subscription  conflict_type", "node  subscription  apply_errors_total"),
)


def excerpt(printed: str) -> str:
    """Return the parts that README.md shows, with dots for what is left out."""
    lines = printed.replace("\r", "").splitlines()
    shown: list[str] = []
    for first, after in PARTS:
        begin = next(n for n, line in enumerate(lines) if re.match(first, line))
        end = next(n for n in range(begin, len(lines)) if lines[n].startswith(after))
        shown += [*lines[begin:end], "...", ""]
    return "\n".join(shown).rstrip() + "\n"


def main() -> None:
    """Rewrite README.md between its two marks."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    block = f"```console\n{excerpt(sys.stdin.read())}```\n"
    README.write_text(f"{before}{BEGIN}{block}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
