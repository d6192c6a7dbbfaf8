"""CONTEXT as apply workers write it: where in the remote transaction they were.

The server appends the line itself, after the lines of user code, so a first line of
this form is its own word that an apply worker speaks, and not code that it ran.
Source: apply_error_callback(), worker.c, 15 to 19.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pgconflict.core.lsn import parse_lsn
from pgconflict.core.translation import english_frame

_BEGIN: Final = 'processing remote data for replication origin "'
_TYPE: Final = '" during message type "'
_RELATION: Final = ' for replication target relation "'
_COLUMN: Final = '" column "'
_XID: Final = " in transaction "
_LINES_TRIED: Final = 8  # the leader adds two or three; a name can hold some
_ORIGIN: Final = re.compile(r"pg_[0-9]{1,10}(_[0-9]{1,10})?")
_XID_LSN: Final = re.compile(
    r"([0-9]{1,10})(?:, finished at ([0-9A-F]{1,8}/[0-9A-F]{1,8}))?"
)


class Frame(NamedTuple):
    """One line of apply context. `relation` is the publisher's name, raw."""

    origin: str
    operation: str
    relation: str | None
    xid: int | None
    lsn: int | None

    @property
    def is_sync(self) -> bool:
        """Whether a table synchronization worker wrote it: pg_<subid>_<relid>."""
        return self.origin.count("_") > 1

    @property
    def subid(self) -> int:
        """The subscription's oid."""
        return int(self.origin.split("_")[1])


def read_frame(text: str) -> Frame | None:
    """The frame, if the text is one and nothing else.

    >>> read_frame('processing remote data for replication origin "pg_16702" during '
    ...     'message type "INSERT" for replication target relation "shop.t1" '
    ...     'in transaction 769, finished at 0/1BB5CA8')
    Frame(origin='pg_16702', operation='INSERT', relation='shop.t1', xid=769, \
lsn=29056168)
    """
    if not text.startswith(_BEGIN):
        return None
    origin, type_found, rest = text[len(_BEGIN) :].partition(_TYPE)
    operation, quote, rest = rest.partition('"')
    if not type_found or not quote or not _ORIGIN.fullmatch(origin):
        return None
    xid = lsn = None
    before, xid_found, tail = rest.rpartition(_XID)
    numbers = _XID_LSN.fullmatch(tail) if xid_found else None
    if numbers is not None:
        rest = before
        xid = int(numbers[1])
        lsn = parse_lsn(numbers[2]) if numbers[2] else None
    if not rest:
        return Frame(origin, operation, None, xid, lsn)
    if not rest.startswith(_RELATION) or not rest.endswith('"'):
        return None
    return Frame(origin, operation, _relation(rest[len(_RELATION) : -1]), xid, lsn)


def _relation(text: str) -> str | None:
    """The name without a column's, None if a name imitates the words between."""
    if _COLUMN not in text:
        return text
    relation, _, column = text.partition(_COLUMN)
    return None if _COLUMN in column else relation


def split_context(context: str) -> tuple[Frame | None, bool]:
    """The apply worker's frame, and whether lines of user code come before it.

    The last frame is taken: what user code runs may imitate one, and its lines come
    first. A parallel worker's error repeated by its leader has the worker's frame
    first, then the leader's, and no user code: there it is the first.
    """
    if context.startswith(_BEGIN):
        return _first(context), False
    if context.startswith("COPY "):
        return None, True  # initial copy: a row can hold lines like these
    begin = context.rfind("\n" + _BEGIN) + 1
    if begin:
        return read_frame(context[begin:]), True
    if (frame := _first(context)) is not None:
        return frame, False
    return last_frame(context), True


def last_frame(context: str) -> Frame | None:
    """The frame that ends the context, behind a line of another kind."""
    begin = len(context)
    for _ in range(_LINES_TRIED):
        begin = context.rfind("\n", 0, begin)
        if begin < 0:
            return None
        if (frame := _any_language(context[begin + 1 :])) is not None:
            return frame
    return None


def _first(context: str) -> Frame | None:
    """The frame that the context begins with, whatever lines follow it."""
    end = len(context)
    for _ in range(_LINES_TRIED):
        if (frame := _any_language(context[:end])) is not None:
            return frame
        end = context.rfind("\n", 0, end)
        if end < 0:
            return None
    return None


def _any_language(text: str) -> Frame | None:
    if text.startswith(_BEGIN):
        return read_frame(text)
    english = english_frame(text)
    return None if english is None else read_frame(english)
