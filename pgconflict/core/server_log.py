"""One entry of a server log, in whatever format it was written, and its framing.

The field names are jsonlog's keys. A framing cuts bytes into entries; it knows
nothing about what an entry says.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

if TYPE_CHECKING:
    from collections import Counter

MARKER: Final = b"logical replication "
"""In every jsonlog and csvlog entry of a worker: `backend_type` is never translated.

Source: GetBackendTypeDesc() and bgw_type, 15 to 19.
"""

SUCCESS: Final = "00000"
"""The SQLSTATE that jsonlog leaves out."""

MAX_ENTRY_BYTES: Final = 16 << 20


class LogFormat(StrEnum):
    """The names of log_destination."""

    JSONLOG = "jsonlog"
    CSVLOG = "csvlog"
    STDERR = "stderr"


class LogRecord(msgspec.Struct, gc=False):
    """One entry as the server wrote it. Source: write_jsonlog(), 15 to 19."""

    timestamp: str
    pid: int | None
    session_id: str
    line_num: int
    error_severity: str
    message: str = ""
    detail: str | None = None
    context: str | None = None
    state_code: str | None = None
    backend_type: str | None = None
    process_start: str | None = None  # stderr only


class Framing(Protocol):
    """Bytes to the entries that a logical replication worker may have written."""

    consumed: int
    unrecognised: Counter[str]
    codec: str | None
    """That all workers write in, if it is not UTF-8."""

    def feed(self, data: bytes | memoryview) -> list[LogRecord]:
        """Entries completed by these bytes, in order."""
        ...

    def flush(self, *, settled: bool = False) -> list[LogRecord]:
        """Entries that are complete as far as can be told when nothing follows.

        `settled`: nothing has for seconds; the server writes no entry so slowly.
        """
        ...

    def end_of_file(self) -> list[LogRecord]:
        """What the file's end completes; the next bytes are another file's."""
        ...

    def state(self) -> dict[str, Any]:
        """What must be remembered at `consumed`."""
        ...


def text_of(raw: bytes, codec: str | None = None) -> str:
    r"""The bytes as text that every database can store.

    The server writes each database's own encoding: bytes that are not of the codec
    (UTF-8) become `\xNN`, so that different bytes stay different; NUL becomes U+FFFD.

    >>> text_of(b"caf\xe9")
    'caf\\xe9'
    >>> text_of(b"caf\xe9", "iso8859-1")
    'café'
    """
    text = str(raw, codec or "utf-8", "backslashreplace")
    return text.replace("\0", "\ufffd") if "\0" in text else text


def without_nul(record: LogRecord) -> LogRecord:
    """The record with U+FFFD for each NUL, which no database can store as text."""
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, str) and "\0" in value:
            setattr(record, name, value.replace("\0", "\ufffd"))
    return record
