"""What kind of server log some bytes are: format, first time, languages."""

from __future__ import annotations

import re
from typing import Final

from pgconflict.core.server_log import LogFormat
from pgconflict.core.translation import LABELLED, catalogs

_LINES_LOOKED_AT: Final = 200
_TIME: Final = rb"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_JSON: Final = re.compile(rb'\{"timestamp":"' + _TIME)
_QUOTED: Final = rb'(?:"(?:[^"]|"")*")?'
_CSV: Final = re.compile(
    _TIME + rb'\.[0-9]{3} [^,"\n]+,' + _QUOTED + b"," + _QUOTED + rb",[0-9]*,"
)
_BLANKS: Final = b" \xc2\xa0"  # French has one before the colon
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
    """The languages besides English that the server seems to write.

    A server that writes another one shows it in the labels of its lines (DETAIL,
    STATEMENT) or in what its workers say.
    """
    words = {_last_word(text) for text in sample.split(b":  ")}
    found = set()
    for language, messages in catalogs().items():
        own = {
            _last_word(text.rstrip().removesuffix(":").encode())
            for template, texts in messages.items()
            if template in LABELLED
            for text in texts
        }
        if not own.isdisjoint(words):
            found.add(language)
    if not sample.isascii():
        # Only then can the others be there: each has letters beyond ASCII.
        # Imported here: a log in JSON, or all ASCII, needs none of it.
        from pgconflict.core.markers import worker_markers  # noqa: PLC0415

        found |= {
            language
            for language in catalogs().keys() - found
            if any(marker in sample for marker in worker_markers(language))
        }
    return frozenset(found)


def _last_word(text: bytes) -> bytes:
    return text[-64:].rstrip(_BLANKS).rpartition(b" ")[2]
