"""Server log bytes to entries about conflicts: one recogniser reads one node's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgconflict.core.conflict import Entry, Source
from pgconflict.core.line_prefix import compile_prefix
from pgconflict.core.log_time import LogClock
from pgconflict.core.recognise import Recognition
from pgconflict.core.server_log import MAX_ENTRY_BYTES, Framing, LogFormat, LogRecord

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from pgconflict.core.line_prefix import LinePrefix


class Recogniser:
    """Reads consecutive bytes of one node's log in one format, file after file.

    Any cutting of the bytes into feeds gives the same entries. A new recogniser with
    `state`, fed from `consumed` on, gives what this one would have given.
    """

    def __init__(
        self,
        log_format: LogFormat | str,
        *,
        log_line_prefix: str | None = None,
        log_timezone: str | None = None,
        languages: Iterable[str] | None = None,
        codec: str | None = None,
        undated: bool = False,
        state: dict[str, Any] | None = None,
        max_entry_bytes: int = MAX_ENTRY_BYTES,
    ) -> None:
        """`log_line_prefix` and `log_timezone` are the server's settings.

        `languages` are those that a stderr log may be in besides English (as
        `de` or `pt_BR`); None means any known one, which is slower. `codec` is that of
        all workers' databases, if it is not UTF-8. An entry longer than
        `max_entry_bytes` is skipped and counted. `undated`: entries are given, at the
        time UNDATED, although log_line_prefix has no time.

        Raises:
            ValueError: stderr without `log_line_prefix`.
        """
        log_format = LogFormat(log_format)
        state = state or {}
        prefix = None
        if log_format is LogFormat.STDERR:
            if log_line_prefix is None:
                raise ValueError("a stderr log needs its log_line_prefix to be read")
            prefix = compile_prefix(log_line_prefix)
        self._framing = _framing(
            log_format, prefix, languages, max_entry_bytes, state.get("framing", {})
        )
        self._framing.codec = codec
        self._recognition = Recognition(
            Source(log_format.value),
            LogClock(log_timezone),
            state.get("workers", {}),
            prefix=prefix,
            undated=undated,
        )

    @property
    def consumed(self) -> int:
        """Bytes since construction or `end_of_file` that need not be read again."""
        return self._framing.consumed

    @property
    def unrecognised(self) -> Counter[str]:
        """How many entries could not be read, by reason, since construction."""
        return self._framing.unrecognised + self._recognition.unrecognised

    @property
    def codec(self) -> str | None:
        """Of all workers' databases, if it is not UTF-8; may be set at any time."""
        return self._framing.codec

    @codec.setter
    def codec(self, codec: str | None) -> None:
        if codec != self._framing.codec:
            self._framing.codec = codec

    def feed(self, data: bytes | memoryview) -> list[Entry]:
        """The entries completed by these bytes, in order."""
        return self._entries(self._framing.feed(data))

    def flush(self, *, settled: bool = False) -> list[Entry]:
        """The entries that are complete as far as can be told: nothing came lately.

        `settled`: nothing came for seconds, so that nothing can belong to the last.
        """
        return self._entries(self._framing.flush(settled=settled))

    def end_of_file(self) -> list[Entry]:
        """What the end of the file completes; the next bytes are another file's."""
        return self._entries(self._framing.end_of_file())

    def state(self) -> dict[str, Any]:
        """What must be remembered at `consumed`: small, and can be JSON."""
        state = {}
        if framing := self._framing.state():
            state["framing"] = framing
        if workers := self._recognition.state():
            state["workers"] = workers
        return state

    def _entries(self, records: list[LogRecord]) -> list[Entry]:
        entries: list[Entry] = []
        for record in records:
            try:
                self._recognition.read(record, entries)
            except Exception:  # noqa: BLE001
                # One odd entry must not keep a daemon from all that follow it. That
                # none does this is what the fuzzer is for.
                self._recognition.unrecognised["defect"] += 1
        return entries


def _framing(
    log_format: LogFormat,
    prefix: LinePrefix | None,
    languages: Iterable[str] | None,
    max_entry_bytes: int,
    state: dict[str, Any],
) -> Framing:
    # Imported for the one format that is read: `scan` of a small log is short.
    if log_format is LogFormat.JSONLOG:
        from pgconflict.core.jsonlog import JsonlogFraming  # noqa: PLC0415

        return JsonlogFraming(max_entry_bytes, state)
    if prefix is None:
        from pgconflict.core.csvlog import CsvlogFraming  # noqa: PLC0415

        return CsvlogFraming(max_entry_bytes, state)
    from pgconflict.core.stderr_log import StderrFraming  # noqa: PLC0415

    known = None if languages is None else frozenset(languages)
    return StderrFraming(prefix, known, max_entry_bytes, state)
