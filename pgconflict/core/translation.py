"""What translated servers write, made English again by PostgreSQL's own catalogs.

`translations.json` holds the message templates of every language that PostgreSQL
15 and 17 to 19 come with (made by tools/message_catalogs.py). A text is recognised by
matching it against a template; what varied in it is put into the English one. Names
can hold anything, so a text that matches in two ways is not recognised.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgconflict.core.wording import Wording

_ARGUMENT: Final = re.compile(r"%(?:(\d+)\$)?(?:0?8?X|[sud])")
_PATTERNS: Final = {"s": "(.+LAZY)", "u": "([0-9]{1,10})", "X": "([0-9A-F]{1,8})"}

_KNOWN: Final[dict[str, dict[int, str]]] = {
    # Arguments that can't be anything: origin and message type; the conflict type.
    'processing remote data for replication origin "': {
        1: "(pg_[0-9]{1,10}(?:_[0-9]{1,10})?)",
        2: "([A-Z][A-Z ]{1,30})",
    },
    'conflict detected on relation "': {3: "([a-z_]{1,63})"},
}


FRAME: Final = "processing remote data for replication origin"

LOST: Final = (
    "could not receive data from WAL stream",
    "could not send data to WAL stream",
    "could not send end-of-streaming message to primary",
    "unexpected result set after end-of-streaming",
    "error while shutting down streaming COPY",
    "error reading result of streaming command",
    "unexpected result after CommandComplete",
    "terminating logical replication worker due to timeout",
)
"""What an apply worker says when it loses its publisher. Source: libpqrcv_receive,
libpqrcv_send, libpqrcv_endstreaming, LogicalRepApplyLoop."""
_SEVERITIES: Final = (
    *("DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC"),
)
_LABELS: Final = (
    *("DETAIL:  ", "HINT:  ", "QUERY:  ", "CONTEXT:  ", "BACKTRACE:  ", "STATEMENT:  "),
    *("LOCATION:  %s, %s:%d\n", "LOCATION:  %s:%d\n"),
)


class _Template(NamedTuple):
    """One translated message and the English one it stands for."""

    literals: tuple[str, ...]  # all must be in a text that matches
    lazy: str  # patterns as text: few of the many are ever compiled
    greedy: str
    groups: tuple[int, ...]  # the group of each English argument, in order
    english: tuple[str, ...]  # the pieces between the arguments


LABELLED: Final = frozenset({*_SEVERITIES, *_LABELS})
"""The templates of what begins a line's text."""


@cache
def catalogs() -> dict[str, dict[str, list[str]]]:
    """Language -> English template -> its translations, newest last."""
    raw = Path(__file__).with_name("translations.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, dict[str, list[str]]])


def english_message(text: str) -> str | None:
    """A worker's message in English, if it is a known one in another language."""
    return _english(text, _messages())


def english_frame(text: str) -> str | None:
    """One line of apply context in English, if it is one in another language."""
    return _english(text, _frames())


def english_key(text: str) -> str | None:
    """`Key (...)=(...) already exists.` in English."""
    return _english(text, _keys())


@cache
def severities() -> dict[str, str]:
    """Every severity as some server prints it -> its English word."""
    found = {word: word for word in _SEVERITIES}
    found |= {f"DEBUG{level}": "DEBUG" for level in range(1, 6)}
    for word in _SEVERITIES:
        found |= dict.fromkeys(translations(word), word)
    return found


@cache
def labels() -> dict[str, str]:
    """The words before the colon of an entry's later lines -> DETAIL, CONTEXT ..."""
    found = {}
    for label in _LABELS:
        name = label.partition(":")[0]
        for text in (label, *translations(label)):
            found[text.partition("%")[0]] = name
    return found


@cache
def wordings() -> tuple[Wording, ...]:
    """How translated servers word DETAIL; languages that leave it English excluded."""
    from pgconflict.core.wording import make_wording  # noqa: PLC0415 - as above

    found = []
    for messages in catalogs().values():
        if (
            "remote row %s" in messages
            or "Could not apply remote change.\n" in messages
        ):
            # 19 words some of 18's sentences in another way.
            newest = {text: translated[-1] for text, translated in messages.items()}
            oldest = {text: translated[0] for text, translated in messages.items()}
            found += [newest] if newest == oldest else [newest, oldest]
    return tuple(
        make_wording(lambda text, m=messages: m.get(text, text))  # type: ignore[misc]
        for messages in found
    )


def translations(template: str) -> set[str]:
    """The template in every language that has it."""
    return {
        text for messages in catalogs().values() for text in messages.get(template, ())
    }


def literals(template: str) -> list[str]:
    """The fixed texts of a template, between its arguments."""
    return _ARGUMENT.split(template.strip())[::2]


@cache
def _messages() -> tuple[_Template, ...]:
    return _templates(
        english
        for english in _all_templates()
        if "subscription" in english
        or "LSN" in english
        or english.startswith(
            ("conflict detected", "duplicate key", "logical rep", *LOST)
        )
    )


@cache
def _frames() -> tuple[_Template, ...]:
    return _templates(
        english for english in _all_templates() if english.startswith(FRAME)
    )


@cache
def _keys() -> tuple[_Template, ...]:
    return _templates(("Key %s already exists.",))


def _all_templates() -> set[str]:
    return {english for messages in catalogs().values() for english in messages}


def _templates(english: Iterable[str]) -> tuple[_Template, ...]:
    return tuple(
        _template(text, each) for each in sorted(english) for text in translations(each)
    )


def _template(text: str, english: str) -> _Template:
    by_number = _KNOWN.get(english.partition("%")[0], {})
    pattern, literals, order, at = "", [], [], 0
    text = text.strip()
    for start, end, number, kind in _arguments(text):
        literals.append(text[at:start])
        pattern += re.escape(text[at:start]) + by_number.get(number, _PATTERNS[kind])
        order.append(number)
        at = end
    literals.append(text[at:])
    pattern += re.escape(text[at:])
    pieces, numbers, at = [], [], 0
    for start, end, number, _ in _arguments(english):
        pieces.append(english[at:start])
        numbers.append(number)
        at = end
    return _Template(
        literals=tuple(literals),
        lazy="(?s)" + pattern.replace("LAZY", "?"),
        greedy="(?s)" + pattern.replace("LAZY", ""),
        groups=tuple(order.index(number) + 1 for number in numbers),
        english=(*pieces, english[at:]),
    )


def _arguments(text: str) -> list[tuple[int, int, int, str]]:
    """Where each argument stands, its number and kind; schema.table counts as one."""
    found: list[tuple[int, int, int, str]] = []
    for position, match in enumerate(_ARGUMENT.finditer(text), 1):
        start, end, kind = match.start(), match.end(), match[0][-1]
        if found and kind == found[-1][3] == "s" and text[found[-1][1] : start] == ".":
            found[-1] = (found[-1][0], end, *found[-1][2:])
        else:
            found.append((start, end, int(match[1] or position), kind))
    return found


def _english(text: str, templates: tuple[_Template, ...]) -> str | None:
    """The one English text that the templates make of this one.

    A template with more arguments is preferred: a relation with a column after it
    also looks like a relation with a very odd name.
    """
    text = text.strip()
    found: set[str] = set()
    arguments = -1
    for template in templates:
        if not all(literal in text for literal in template.literals):
            continue
        match = re.fullmatch(template.lazy, text)
        if match is None or len(template.groups) < arguments:
            continue
        other = re.fullmatch(template.greedy, text)
        if other is None or other.groups() != match.groups():
            return None
        if len(template.groups) > arguments:
            arguments = len(template.groups)
            found.clear()
        found.add(_rendered(template, match))
    return found.pop() if len(found) == 1 else None


def _rendered(template: _Template, match: re.Match[str]) -> str:
    pieces = [template.english[0]]
    for group, piece in zip(template.groups, template.english[1:], strict=True):
        pieces += (match[group], piece)
    return "".join(pieces)
