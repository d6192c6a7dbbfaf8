"""The rows and keys that stand in one text one after another, with words between.

Values can hold the words too, so a part is certain only if the words on both its
sides stand there once. Whether a part is there at all follows from what comes first:
the server shows rows to all who may see the key, and both rows or none.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pgconflict.core.wording import Style


Fits = Callable[[str, str], bool]
"""(key, local, remote, identity or full; a part) -> whether it can be such a part."""

_TRIED: Final = 4096  # ways to cut; values that imitate much are left alone


def certain_parts(
    text: str,
    orders: Iterable[tuple[str, ...]],
    styles: Iterable[Style],
    fits: Fits | None = None,
) -> dict[str, str]:
    """Name -> part, parentheses included, of those parts that are certain.

    `orders`: which parts can stand there, in their order. The replica identity is
    called `full` if it is the whole row. With `fits`, words that occur more often
    are no obstacle if only one way to cut leaves parts that all fit.
    """
    best: dict[str, str] = {}
    for style in styles:
        for names in orders:
            parts = _parts(text, names, style)
            if fits is not None and len(parts) < len(names):
                parts = _fitting_parts(text, names, style, fits) or parts
            if len(parts) > len(best):
                best = parts
    return best


def _fitting_parts(
    text: str, names: tuple[str, ...], style: Style, fits: Fits
) -> dict[str, str] | None:
    """The parts of the one way to cut that leaves fitting parts, None if not one."""
    first, words = _first(text, names[0], style)
    if first is None:
        return None
    # Each way so far: its parts, the kind of the one that is open, where it begins.
    ways: list[tuple[dict[str, str], str, int]] = [({}, first, len(words))]
    tried = 0
    for before, name in pairwise(names):
        found = list(_separators(text, before, name, style))
        longer = []
        for parts, kind, begin in ways:
            for position, length, next_kind in found:
                tried += 1
                part = text[begin : position + 1]
                if position >= begin and tried < _TRIED and fits(kind, part):
                    after = position + length - 1
                    longer.append((parts | {kind: part}, next_kind, after))
        ways = longer
    whole = []
    for parts, kind, begin in ways:
        behind = style.parts[kind].after
        part = text[begin : len(text) - len(behind)]
        if text.endswith(")" + behind) and fits(kind, part):
            whole.append(parts | {kind: part})
    return whole[0] if len(whole) == 1 and tried < _TRIED else None


def _separators(
    text: str, before: str, name: str, style: Style
) -> Iterator[tuple[int, int, str]]:
    """Every place where the words between two parts stand."""
    end = ")" + style.parts[before].after + style.between
    for kind in _kinds(text, name, style):
        words = end + style.parts[kind].before + "("
        position = text.find(words)
        while position >= 0:
            yield position, len(words), kind
            position = text.find(words, position + 1)


def _parts(text: str, names: tuple[str, ...], style: Style) -> dict[str, str]:
    """The parts that stand between words which occur once; `full` is an identity."""
    first, words = _first(text, names[0], style)
    if first is None:
        return {}
    # Where each part begins (at its opening parenthesis) and ends; None: not certain.
    begins: list[int | None] = [len(words)]
    ends: list[int | None] = []
    kinds = [first]
    at = len(words)
    for before, name in pairwise(names):
        found = _separator(text, before, name, style)
        if found is None or found[0] < at:
            ends.append(None)
            begins.append(None)
            kinds.append(name)
            continue
        position, length, kind = found
        ends.append(position + 1)
        begins.append(position + length - 1)
        kinds.append(kind)
        at = position + length - 1
    last = style.parts[kinds[-1]].after
    whole = text.endswith(")" + last)
    ends.append(len(text) - len(last) if whole else None)
    return {
        kind: text[begin:end]
        for kind, begin, end in zip(kinds, begins, ends, strict=True)
        if begin is not None and end is not None and begin < end
    }


def _first(text: str, name: str, style: Style) -> tuple[str | None, str]:
    for kind in _kinds(text, name, style):
        words = style.parts[kind].before
        if style.own_line:
            words = words[:1].upper() + words[1:]
        if text.startswith(words + "("):
            return kind, words
    return None, ""


def _separator(
    text: str, before: str, name: str, style: Style
) -> tuple[int, int, str] | None:
    """Where the words between two parts stand, if they stand there once."""
    found = list(islice(_separators(text, before, name, style), 2))
    return found[0] if len(found) == 1 else None


def _kinds(text: str, name: str, style: Style) -> tuple[str, ...]:
    """The parts that can stand for the name: the identity can be the whole row.

    Korean tells the two by what comes after only.
    """
    if name != "identity":
        return (name,)
    full = style.parts["full"]
    if style.parts["identity"].before != full.before:
        return ("identity", "full")
    return ("full",) if text.endswith(")" + full.after) else ("identity",)
