"""The lines of a stderr log: labels, and texts that go on behind a tab."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from stringzilla import find

from pgconflict.core.encodings import encoded
from pgconflict.core.server_log import text_of
from pgconflict.core.translation import labels, severities

if TYPE_CHECKING:
    from collections.abc import Iterator

TAB: Final = ord("\t")
_LABEL_BYTES: Final = 96  # the longest severity or label, with its colon


def unfold(raw: bytes, codec: str | None = None) -> str:
    """The text as the server had it: the tab after each line break is the log's."""
    return text_of(raw.replace(b"\n\t", b"\n"), codec)


def text_end(data: bytes | memoryview, begin: int) -> int:
    """Where the line break is that ends a text with its continuation lines."""
    newline = find(data, b"\n", begin)
    while 0 <= newline < len(data) - 1 and data[newline + 1] == TAB:
        newline = find(data, b"\n", newline + 1)
    return len(data) if newline < 0 else newline


def line_starts(data: bytes, begin: int, end: int) -> Iterator[int]:
    """Where each line between two line beginnings begins."""
    while 0 <= begin < end:
        yield begin
        begin = data.find(b"\n", begin) + 1 or end


def line_label(
    data: bytes | memoryview, start: int, codec: str | None = None
) -> tuple[str, int] | None:
    """A line's severity or label in English, and where its text begins."""
    window = bytes(data[start : start + _LABEL_BYTES])
    colon = window.find(b":") + 1
    for words, name in _known_labels(codec).get(window[:colon], ()):
        if window.startswith(words):
            return name, start + len(words)
    return None


@cache
def _known_labels(codec: str | None) -> dict[bytes, tuple[tuple[bytes, str], ...]]:
    """Every label up to its colon -> its whole text and its name."""
    known: dict[bytes, list[tuple[bytes, str]]] = {}
    words = {f"{word}:  ": name for word, name in severities().items()} | labels()
    for text, name in words.items():
        for raw in encoded((text,), codec):
            known.setdefault(raw[: raw.find(b":") + 1], []).append((raw, name))
    return {key: tuple(found) for key, found in known.items()}
