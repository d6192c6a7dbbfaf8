"""log_line_prefix found out from the lines that workers wrote.

A worker has no client, so most escapes print nothing there: what remains is times,
numbers and fixed text. Which number is the pid is seen within an entry, whose lines
have one pid but several line numbers. Where more than one reading is left the answer
is None: the user has to say it.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from stringzilla import find

from pgconflict.core.line_prefix import compile_prefix
from pgconflict.core.markers import evidence_markers
from pgconflict.core.messages import in_english, started
from pgconflict.core.translation import FRAME, english_frame, labels, severities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_SLACK: Final = 12
_BEFORE: Final = 1 << 16  # bytes kept before a worker's line
_EVIDENCE: Final = 1 << 20  # bytes looked at when one is found
_MOST: Final = 1 << 24
_ENOUGH: Final = 1000  # entries
_TAB: Final = ord("\t")
_SECOND: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_ZONE: Final = r" (?:[+-][0-9]{2}(?::?[0-9]{2})?|[A-Z][A-Za-z/_]*)"
_TOKEN: Final = re.compile(
    rf"(?P<m>{_SECOND}\.[0-9]{{3}}{_ZONE})"
    rf"|(?P<t>{_SECOND}{_ZONE})"
    r"|(?P<n>[0-9]{9,11}\.[0-9]{3}(?![0-9]))"
    r"|(?P<c>[0-9a-f]{8}\.[0-9a-f]{1,8}(?![0-9a-f]))"
    r"|(?P<v>[0-9]+/[0-9]+)"
    r"|(?P<b>logical replication (?:[a-z]+ )?worker)"
    r"|(?P<number> {2,}[0-9]+|(?<![A-Za-z0-9])-?[0-9]+(?: {2,})?(?![0-9A-Z])"
    r"|(?<=-)[0-9]+(?![0-9A-Z])"
    r"|(?<![0-9A-Za-z])[0-9A-Z]{5}(?![0-9A-Za-z]))"
)
_VERBOSE: Final = re.compile("[0-9A-Z]{5}: ")


class _Slot(NamedTuple):
    kind: str  # an escape's letter, or `number`
    text: str


class _Shape(NamedTuple):
    """One prefix: the fixed texts, and what stands between them."""

    fixed: tuple[str, ...]
    slots: tuple[_Slot, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(slot.kind for slot in self.slots)


class PrefixUnclearError(ValueError):
    """The lines of workers allow more than one log_line_prefix."""


class PrefixFinder:
    """Reads until the prefix is found; bytes without a worker's line are not kept."""

    def __init__(self, languages: frozenset[str] | None) -> None:
        """`languages`: as for the recogniser."""
        self.prefix: str | None = None
        self._markers = evidence_markers(languages)
        self._kept = b""
        self._found = False
        self._enough = _EVIDENCE

    def feed(self, data: bytes | memoryview) -> bytes:
        """Once `prefix` is set: what was kept, to be read before the bytes to come.

        Raises:
            PrefixUnclearError: more bytes would not help.
        """
        if not self._found and all(find(data, marker) < 0 for marker in self._markers):
            # A marker can begin at the end, and its entry before it.
            self._kept = (self._kept + bytes(data[-_BEFORE:]))[-_BEFORE:]
            return b""
        self._found = True
        self._kept += data
        return b"" if len(self._kept) < self._enough else self._decide(last=False)

    def end(self) -> bytes:
        """The bytes have ended: what was kept, if `prefix` is set now.

        Raises:
            PrefixUnclearError: there are workers' lines, but they don't tell.
        """
        return self._decide(last=True)

    def _decide(self, *, last: bool) -> bytes:
        entries = worker_prefixes(self._kept, self._markers)
        if not entries:
            self._found = False
            self._kept = self._kept[-_BEFORE:]
            return b""
        self.prefix = infer_prefix(entries)
        if self.prefix is not None:
            return self._kept
        if last or len(self._kept) > _MOST:
            raise PrefixUnclearError(entries[0][-1])
        self._enough = 2 * len(self._kept)
        return b""


def worker_prefixes(data: bytes, markers: Sequence[bytes]) -> list[list[str]]:
    """For each entry that is surely a worker's, the prefixes of its lines in order.

    Surely: an apply frame in CONTEXT; where there are none, a worker's start.
    `markers`: bytes of which each such line has at least one.
    """
    lines = [line for line in data.split(b"\n") if line and line[0] != _TAB]
    framed, starts = [], []
    for position, line in enumerate(lines):
        if not any(marker in line for marker in markers):
            continue
        prefix = _before(line, "CONTEXT", _is_frame)
        if prefix is not None:
            before = lines[position - 1] if position else b""
            earlier = _before_label(before, len(prefix))
            framed.append([prefix] if earlier is None else [earlier, prefix])
        elif (prefix := _before(line, "LOG", _is_start)) is not None:
            starts.append([prefix])
        if len(framed) == _ENOUGH:
            break
    return framed or starts


def infer_prefix(entries: Sequence[Sequence[str]]) -> str | None:
    """The log_line_prefix that writes these, as far as a worker's lines show it.

    >>> infer_prefix([["2026-11-20 17:29:25.032 UTC [409] "] * 2])
    '%m [%p] '
    """
    shapes = [[_shape(prefix) for prefix in entry] for entry in entries]
    every = [shape for entry in shapes for shape in entry]
    if not every or len({(shape.fixed, shape.kinds) for shape in every}) != 1:
        return None
    letters = list(every[0].kinds)
    for slot, kind in enumerate(letters):
        if kind == "number":
            letters[slot] = _number_letter(slot, shapes)
    if letters.count("p") > 1:
        # A number that never changes is fixed text, if another one does.
        for slot in [slot for slot, letter in enumerate(letters) if letter == "p"]:
            values = {shape.slots[slot].text for shape in every}
            if len(values) == 1:
                letters[slot] = values.pop()
        if letters.count("p") != 1:
            return None
    _name_times(letters, every)
    prefix = _written(every, letters)
    pattern = compile_prefix(prefix).pattern
    texts = (text for entry in entries for text in entry)
    return prefix if all(pattern.fullmatch(text.encode()) for text in texts) else None


def _before(line: bytes, name: str, fits: Callable[[str], bool]) -> str | None:
    """What stands before the label, if what follows it fits."""
    known = labels() if name == "CONTEXT" else _severity_labels()
    for label, english in known.items():
        if english == name and (at := line.find(label.encode())) >= 0:
            text = line[at + len(label.encode()) :].decode(errors="replace")
            if fits(text):
                return line[:at].decode(errors="replace")
    return None


@cache
def _severity_labels() -> dict[str, str]:
    return {f"{word}:  ": english for word, english in severities().items()}


def _before_label(line: bytes, about: int) -> str | None:
    """What stands before a label that begins about there: pids have other lengths."""
    found = None
    for label in (*labels(), *_severity_labels()):
        at = line.find(label.encode(), max(0, about - _SLACK), about + _SLACK + 40)
        if 0 <= at <= about + _SLACK and (found is None or at < found):
            found = at
    return None if found is None else line[:found].decode(errors="replace")


def _is_frame(text: str) -> bool:
    # The frame may go on in the next line, behind a tab: its beginning will do.
    return text.startswith(f'{FRAME} "pg_') or english_frame(text) is not None


def _is_start(text: str) -> bool:
    verbose = _VERBOSE.match(text)
    return started(in_english(text[verbose.end() :] if verbose else text)) is not None


def _shape(prefix: str) -> _Shape:
    fixed, slots, at = [], [], 0
    for match in _TOKEN.finditer(prefix):
        fixed.append(prefix[at : match.start()])
        slots.append(_Slot(match.lastgroup or "", match[0]))
        at = match.end()
    return _Shape((*fixed, prefix[at:]), tuple(slots))


def _number_letter(slot: int, entries: Iterable[Sequence[_Shape]]) -> str:
    """Which escape prints the numbers of this slot: e, l, p, or Q for any number."""
    texts = [[shape.slots[slot].text.strip() for shape in entry] for entry in entries]
    every = {text for entry in texts for text in entry}
    if "00000" in every or not all(text.lstrip("-").isdecimal() for text in every):
        return "e"
    pairs = [(int(first), int(second)) for first, second in _pairs(texts)]
    if pairs and all(second - first == 1 for first, second in pairs):
        return "l"
    if not pairs and every == {"1"}:
        return "l"  # a start is the first line of its process
    if "0" in every or any(first != second for first, second in pairs):
        return "Q"
    return "p"


def _pairs(texts: Iterable[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for entry in texts:
        yield from pairwise(entry)


def _name_times(letters: list[str], every: Sequence[_Shape]) -> None:
    """Of two times without a fraction the earlier is the start of the session."""
    whole = [slot for slot, letter in enumerate(letters) if letter == "t"]
    if any(letter in "mn" for letter in letters):
        for slot in whole:
            letters[slot] = "s"
    elif len(whole) > 1:
        latest = max(whole, key=lambda slot: [each.slots[slot].text for each in every])
        for slot in whole:
            letters[slot] = "t" if slot == latest else "s"


def _written(every: Sequence[_Shape], letters: Sequence[str]) -> str:
    written = ""
    for slot, letter in enumerate(letters):
        written += every[0].fixed[slot].replace("%", "%%")
        texts = {shape.slots[slot].text for shape in every}
        padding = "9" if any(text != text.strip() for text in texts) else ""
        written += f"%{padding}{letter}" if letter.isalpha() else letter
    return written + every[0].fixed[-1].replace("%", "%%")
