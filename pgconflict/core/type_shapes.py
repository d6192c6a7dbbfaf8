"""What a value of a type can look like: never narrower than what a server prints.

A shape that were too narrow could make a wrong way of cutting a row the only one, so
settings (DateStyle, IntervalStyle, bytea_output) and extensions get the benefit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

Shape = Callable[[str, bool], bool]
"""(text, whether it is only the beginning of the value) -> whether it can be one."""

VIRTUAL: Final = "virtual"
"""What the server shows for each value of a virtual generated column, and the name of
its type here: format_type() gives an unqualified name to its own types only.
Source: ExecBuildSlotValueDescription(), 18 and 19.
"""

_TYPMOD: Final = re.compile(r"\([^)]*\)")
_INTEGER: Final = re.compile(r"-?[0-9]+")
_NUMBER: Final = re.compile(
    r"-?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|-?\.[0-9]+|NaN|-?Infinity"
)
_HEX: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_BITS: Final = re.compile(r"[01]*")
_OPENING: Final = {"{": "}", "[": "]", "(": ")"}


def _matching(pattern: re.Pattern[str]) -> Shape:
    def fits(text: str, cut: bool) -> bool:  # noqa: FBT001 - a Shape
        return ", " not in text if cut else pattern.fullmatch(text) is not None

    return fits


def _any(text: str, cut: bool) -> bool:  # noqa: ARG001, FBT001 - a Shape
    return True


def _no_comma(text: str, cut: bool) -> bool:  # noqa: ARG001, FBT001 - a Shape
    return bool(text) and "," not in text


def _closed(text: str, cut: bool) -> bool:  # noqa: ARG001, FBT001 - a Shape
    return bool(text) and ", " not in text


def _virtual(text: str, cut: bool) -> bool:  # noqa: ARG001, FBT001 - a Shape
    return text == VIRTUAL


def _boolean(text: str, cut: bool) -> bool:  # noqa: ARG001, FBT001 - a Shape
    return text in {"t", "f"}


def _json(text: str, cut: bool) -> bool:  # noqa: FBT001 - a Shape
    text = text.strip()
    if not text or text[0] not in '{["-0123456789tfn':
        return False
    return cut or _balanced(text, "{[")


def _array(text: str, cut: bool) -> bool:  # noqa: FBT001 - a Shape
    if not text or text[0] not in "{[":
        return False
    if cut:
        return True
    if text[0] == "[":  # bounds that are not the usual ones stand before
        text = text.partition("=")[2]
    return text[-1:] == "}" and _balanced(text, "{")


def _range(text: str, cut: bool) -> bool:  # noqa: FBT001 - a Shape
    if text == "empty":
        return True
    return text[:1] in ("[", "(") and (cut or text[-1:] in ("]", ")"))


def _multirange(text: str, cut: bool) -> bool:  # noqa: FBT001 - a Shape
    return text[:1] == "{" and (cut or text[-1:] == "}")


def _balanced(text: str, opening: str) -> bool:
    """Whether brackets outside of quotes match and end together at the end."""
    depth, at, quoted = 0, 0, False
    closing = {_OPENING[each] for each in opening}
    while at < len(text):
        letter = text[at]
        if quoted:
            if letter == "\\":
                at += 1
            elif letter == '"':
                quoted = False
        elif letter == '"':
            quoted = True
        elif letter in opening:
            depth += 1
        elif letter in closing:
            depth -= 1
            if depth < 0 or (depth == 0 and at < len(text) - 1):
                return False
        elif letter == "," and depth == 0:
            return False
        at += 1
    return depth == 0 and not quoted


_SHAPES: Final[dict[str, Shape]] = {
    "boolean": _boolean,
    **dict.fromkeys(
        ("smallint", "integer", "bigint", "oid", "xid", "xid8"), _matching(_INTEGER)
    ),
    **dict.fromkeys(("numeric", "real", "double precision"), _matching(_NUMBER)),
    "uuid": _matching(_HEX),
    **dict.fromkeys(("bit", "bit varying"), _matching(_BITS)),
    **dict.fromkeys(
        (
            "date",
            "time without time zone",
            "time with time zone",
            "timestamp without time zone",
            "timestamp with time zone",
            "interval",
            "inet",
            "cidr",
            "macaddr",
            "macaddr8",
            "pg_lsn",
        ),
        _no_comma,
    ),
    # Geometric types and vectors: commas without a blank.
    **dict.fromkeys(
        ("point", "line", "lseg", "box", "path", "polygon", "circle", "tid"), _closed
    ),
    **dict.fromkeys(("json", "jsonb"), _json),
    VIRTUAL: _virtual,
    **dict.fromkeys(
        (
            "int4range",
            "int8range",
            "numrange",
            "tsrange",
            "tstzrange",
            "daterange",
        ),
        _range,
    ),
    **dict.fromkeys(
        (
            "int4multirange",
            "int8multirange",
            "nummultirange",
            "tsmultirange",
            "tstzmultirange",
            "datemultirange",
        ),
        _multirange,
    ),
}


def shape_of(type_name: str) -> Shape:
    """The shape of a type as format_type() writes it; any text for unknown types."""
    name = _TYPMOD.sub("", type_name)
    if name.endswith("[]"):
        return _array
    return _SHAPES.get(name, _any)


def can_be_text_null(type_name: str) -> bool:
    """Whether a value of the type other than null can be printed as `null`."""
    name = _TYPMOD.sub("", type_name)
    return not name.endswith("[]") and (
        name not in _SHAPES or name in {"json", "jsonb"}
    )


_SHOWN: Final = "[\x20-+\\--~]{0,64}"  # printable ASCII but a comma, never cut
_PLAIN: Final[dict[str, str]] = {
    "boolean": "[tf]",
    **dict.fromkeys(("smallint", "integer", "bigint", "oid"), "-?[0-9]{1,20}"),
    "numeric": r"-?[0-9]{1,40}(?:\.[0-9]{1,20})?",
    "uuid": _HEX.pattern,
    **dict.fromkeys(
        (
            "date",
            "time without time zone",
            "time with time zone",
            "timestamp without time zone",
            "timestamp with time zone",
            "interval",
            "inet",
        ),
        _SHOWN.replace("{0,", "{1,"),
    ),
}


def plain_pattern(type_name: str) -> str | None:
    """A pattern of values that stand in a row as they are; None if there is none.

    It fits less than the type's shape, and nothing else.
    """
    pattern = _PLAIN.get(_TYPMOD.sub("", type_name))
    return _SHOWN if pattern is None and shape_of(type_name) is _any else pattern
