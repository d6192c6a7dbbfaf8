"""What a user sees: tables, single objects, JSON, progress.

Results go to standard output, messages and progress to standard error. Values come
from other people's databases: in text every character that could move the cursor
is shown instead of sent. JSON is exact.
"""

from __future__ import annotations

import re
import sys
import time
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, Self, TextIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import ModuleType

NULL: Final = "-"
GAP: Final = "  "
NARROWEST: Final = 8
"""A column is not cut below this many cells to fit a terminal."""

# C0 and C1 controls, DEL, lone surrogates; characters that have no width or turn
# the direction of writing.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_KILO: Final = 1024
_READ_BY_PEOPLE: Final = 1 << 20
"""Characters; to indent more than that takes longer than to write it."""

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""Return the text with control and direction characters written out.

    >>> print(visible("a\x1b[2J\tb"))
    a\x1b[2J\tb
    """
    return _UNSAFE.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code <= 0xFF:  # noqa: PLR2004
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004


def width(text: str) -> int:
    """Return how many terminal cells the (visible) text takes.

    >>> width("日本"), width("e\u0301"), width("abc")
    (4, 1, 3)
    """
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, cells: int) -> str:
    """Return the text in at most this many cells; an ellipsis stands for the rest.

    >>> cut("acknowledged", 6), cut("日本語", 4)
    ('ackno…', '日…')
    """
    if width(text) <= cells:
        return text
    used = 0
    for place, character in enumerate(text):
        used += _cells(character)
        if used > cells - 1:
            return text[:place] + "…"
    return text


def as_text(value: object) -> str:
    """Return a value as one line: `-` for null, times in ISO 8601, lists by comma."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    if isinstance(value, list | tuple | frozenset | set):
        return ", ".join(as_text(item) for item in value) or NULL
    return visible(str(value))


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column; numbers are easier to compare when aligned right."""

    title: str
    align: Literal["left", "right"] = "left"


def print_table(
    columns: Sequence[str | Column],
    rows: Iterable[Sequence[object]],
    *,
    stream: TextIO | None = None,
) -> None:
    """Print rows under their titles, aligned; cut to the terminal if it is one."""
    out = stream or sys.stdout
    heads = [Column(head) if isinstance(head, str) else head for head in columns]
    cells = [[visible(head.title) for head in heads]]
    cells += [[as_text(value) for value in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    if out.isatty():
        widths = fit(widths, _terminal_columns())
    for row in cells:
        out.write(GAP.join(_padded(row, heads, widths)).rstrip() + "\n")


def _padded(
    row: Sequence[str], heads: Sequence[Column], widths: Sequence[int]
) -> Iterator[str]:
    for text, head, cells in zip(row, heads, widths, strict=True):
        shown = cut(text, cells)
        space = " " * (cells - width(shown))
        yield space + shown if head.align == "right" else shown + space


def fit(widths: Sequence[int], terminal: int) -> list[int]:
    """Return widths that fit the terminal: the widest columns give way first.

    >>> fit([4, 60, 30], 60)
    [4, 26, 26]
    """
    room = terminal - len(GAP) * (len(widths) - 1)
    limit = max(widths, default=0)
    while limit > NARROWEST and sum(min(cells, limit) for cells in widths) > room:
        limit -= 1
    return [min(cells, limit) for cells in widths]


def print_fields(
    pairs: Iterable[tuple[str, object]], *, stream: TextIO | None = None
) -> None:
    """Print one object, a field a line; a text of several lines is indented."""
    out = stream or sys.stdout
    known = [(visible(name), value) for name, value in pairs]
    names = max((width(name) for name, _ in known), default=0)
    for name, value in known:
        lines = value.split("\n") if isinstance(value, str) else [as_text(value)]
        head = name + " " * (names - width(name))
        for line in lines:
            out.write(f"{head}{GAP}{visible(line)}".rstrip() + "\n")
            head = " " * names


def print_json(value: object, *, stream: TextIO | None = None) -> None:
    """Print one JSON document, indented if people may read it."""
    text = json_text(value)
    if len(text) < _READ_BY_PEOPLE:
        text = msgspec.json.format(text, indent=2)
    (stream or sys.stdout).write(text + "\n")


def print_json_line(value: object, *, stream: TextIO | None = None) -> None:
    """Print one object of JSON lines."""
    (stream or sys.stdout).write(json_text(value) + "\n")


def json_text(value: object) -> str:
    """Return compact JSON: integers whole, numeric as text, times in ISO 8601.

    Takes what JSON has, datetimes, Decimal, sets, dataclasses and msgspec Structs;
    a subclass of str or int (`Lsn` too) through its `str()`. Characters that could
    move the cursor are escaped, which to a JSON parser is the same.
    """
    try:
        text = msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeEncodeError:
        # A lone surrogate, as in a file's name that is not UTF-8.
        builtins = msgspec.to_builtins(value, enc_hook=str)
        text = _stdlib_json().dumps(builtins, separators=(",", ":"))
    if text.isascii() and "\x7f" not in text:
        return text  # encoding has escaped the others, and this may be many megabytes
    dumps = _stdlib_json().dumps
    return _UNSAFE.sub(lambda found: dumps(found[0])[1:-1], text)


def _stdlib_json() -> ModuleType:
    import json  # noqa: PLC0415 - seldom needed, and each import is start-up time

    return json


def _terminal_columns() -> int:
    import shutil  # noqa: PLC0415 - no terminal needs none of what it imports

    return shutil.get_terminal_size().columns


def print_message(text: str) -> None:
    """Say something that is not a result."""
    sys.stderr.write(text + "\n")


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return the count and its noun.

    >>> plural(1, "conflict"), plural(1200, "conflict"), plural(0, "entry", "entries")
    ('1 conflict', '1200 conflicts', '0 entries')
    """
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"


def size(count: float) -> str:
    """Return bytes in PostgreSQL's units, powers of 1024.

    >>> size(812), size(16 << 20), size(3.5 * 2**30)
    ('812 bytes', '16 MB', '3.5 GB')
    """
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = 0
    while abs(count) >= _KILO and power < len(units) - 1:
        count /= _KILO
        power += 1
    return f"{count:.1f}".removesuffix(".0") + f" {units[power]}"


@dataclass(slots=True)
class Progress:
    """A line on standard error that says how far a long task is; silent elsewhere.

    Args:
        label: What is being done.
        total: Bytes to do; unknown if None.
    """

    label: str
    total: int | None = None
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _done: int = 0
    _started: float = field(default_factory=time.monotonic)
    _shown: float = 0.0

    def advance(self, count: int) -> None:
        """Count bytes as done; the line is written at most ten times a second."""
        self._done += count
        now = time.monotonic()
        if now - self._shown >= 0.1 and self.stream.isatty():  # noqa: PLR2004
            self._shown = now
            self._write(self._line(now - self._started))

    def _line(self, seconds: float) -> str:
        parts = [self.label, size(self._done)]
        if self.total:
            share = min(100, 100 * self._done // self.total)
            parts += [f"of {size(self.total)}", f"{share} %"]
        parts.append(f"{size(self._done / max(seconds, 0.001))}/s")
        return " ".join(parts)

    def _write(self, text: str) -> None:
        cells = _terminal_columns() - 1
        self.stream.write("\r" + cut(visible(text), cells) + "\x1b[K")
        self.stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._write("")
            self.stream.write("\r")
            self.stream.flush()
