"""What kind of server log some bytes are: format, first time, languages."""

from __future__ import annotations

import re
from typing import Final

from pgconflict.core.server_log import LogFormat
from pgconflict.core.translation import catalogs, stderr_markers

_LINES_LOOKED_AT: Final = 200
_TIME: Final = rb"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_JSON: Final = re.compile(rb'\{"timestamp":"' + _TIME)
_QUOTED: Final = rb'(?:"(?:[^"]|"")*")?'
_CSV: Final = re.compile(
    _TIME + rb'\.[0-9]{3} [^,"\n]+,' + _QUOTED + b"," + _QUOTED + rb",[0-9]*,"
)
_ANY_TIME: Final = re.compile(_TIME + rb"(?:\.[0-9]{3})?")


def detect_format(sample: bytes) -> LogFormat:
    """The format of the first lines; stderr is what the others are not."""
    lines = sample.split(b"\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT]
    if any(_JSON.match(line) for line in lines):
        return LogFormat.JSONLOG
    # A client can put such a line into a stderr log only after a tab.
    if any(_CSV.match(line) for line in lines):
        return LogFormat.CSVLOG
    return LogFormat.STDERR


def first_time(sample: bytes) -> str:
    """The first time in the text as printed, to order files by; '' if none.

    The files of one scan are of servers in one zone as a rule, and their order
    matters only to tell which worker a pid is.
    """
    found = _ANY_TIME.search(sample)
    return found[0].decode() if found else ""


def detect_languages(sample: bytes) -> frozenset[str]:
    """The languages besides English that the server seems to write."""
    found = set()
    for language, messages in catalogs().items():
        own = set(stderr_markers(frozenset({language})))
        own -= set(stderr_markers(frozenset()))
        own |= {
            text.encode()
            for template, texts in messages.items()
            if template.endswith(":  ")
            for text in texts
        }
        if any(marker in sample for marker in own):
            found.add(language)
    return frozenset(found)
