"""A hook of mkdocs: what pages link to outside docs/ is named instead.

A page such as docs/service.md is read in a checkout too, where `../systemd/...` is right;
the site has no such file, and no page for a folder.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

_OUT = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)\s#]+)(?:#[^)\s]*)?\)")

_FOLDER = re.compile(r"\[([^\]]+)\]\([^)\s:]+/\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page with its links out of docs/ made names."""
    here = PurePosixPath("docs", page.file.src_uri).parent

    def replaced(match: re.Match[str]) -> str:
        parts: list[str] = []
        for part in (here / match[2]).parts:
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        if parts[0] == "docs":
            return match[0]
        place, text = "/".join(parts), match[1]
        return f"`{place}`" if text.strip("`") in place else f"{text} (`{place}`)"

    return _OUT.sub(replaced, _FOLDER.sub(r"\1", markdown))
