"""log_line_prefix, and which lines of a stderr log begin as it says.

Source: log_status_format(), elog.c, 15 to 19.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_ESCAPE: Final = re.compile(r"%(?:(?P<padding>-?[0-9]+))?(?P<letter>.)", re.DOTALL)
_ZONE: Final = r"[A-Za-z0-9+\-:<>/_]{1,40}?"
_SECOND: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
_WORKER: Final = r"logical replication (?:[a-z]+ )?worker"

# What a logical replication worker has there. A worker has no client, so the
# escapes about one print nothing.
_WORKER_VALUES: Final = {
    "m": rf"(?P<time>{_SECOND}\.[0-9]{{3}} {_ZONE})",
    "t": rf"(?P<time>{_SECOND} {_ZONE})",
    "n": r"(?P<time>[0-9]{1,12}\.[0-9]{3})",
    "s": rf"(?P<start>{_SECOND} {_ZONE})",
    "p": r"(?P<pid>[0-9]{1,10})",
    "c": r"(?P<session>[0-9a-f]{1,16}\.[0-9a-f]{1,8})",
    "l": r"(?P<line>[0-9]{1,18})",
    "b": rf"(?P<backend>{_WORKER})",
    "e": r"(?P<sqlstate>[0-9A-Z]{5})",
    "P": r"[0-9]*",
    "v": r"(?:[0-9]+/[0-9]+)?",
    "x": r"[0-9]+",
    "Q": r"-?[0-9]+",
    "L": r"(?:\[[a-z]+\])?",
    "%": "%",
    **dict.fromkeys("auihdr", ""),
}


class LinePrefix(NamedTuple):
    """What a worker's lines begin with, compiled; and what they tell."""

    text: str
    pattern: re.Pattern[bytes]
    names: frozenset[str]  # time, start, pid, session, line, backend, sqlstate
    steady_time: bool  # all lines of one entry have the same time
    ending: str  # fixed text that a worker's prefix ends with

    @property
    def has_process(self) -> bool:
        """Whether entries of one process can be told from another's."""
        return bool(self.names & {"pid", "session"})


def compile_prefix(log_line_prefix: str) -> LinePrefix:
    """The prefix as the server would write it for a worker.

    >>> prefix = compile_prefix("%m [%p] %q%u@%d ")
    >>> line = b"2026-11-20 17:29:25.083 UTC [24272] LOG:  x"
    >>> prefix.pattern.match(line)["pid"]
    b'24272'
    """
    pattern, ending, at = "", "", 0
    names: set[str] = set()
    for match in _ESCAPE.finditer(log_line_prefix):
        ending += log_line_prefix[at : match.start()]
        pattern += re.escape(log_line_prefix[at : match.start()])
        at = match.end()
        letter = match["letter"]
        if letter == "q":
            at = len(log_line_prefix)
            break
        value = _WORKER_VALUES.get(letter, "")
        named = re.match(r"\(\?P<([a-z]+)>", value)
        if named and named[1] in names:
            value = value.replace(named[0], "(?:", 1)
        elif named:
            names.add(named[1])
        value = f" *{value} *" if match["padding"] else value
        pattern += value
        if value:
            ending = ""
    ending += log_line_prefix[at:].rstrip("%")
    pattern += re.escape(log_line_prefix[at:].rstrip("%"))
    return LinePrefix(
        text=log_line_prefix,
        pattern=re.compile(pattern.encode()),
        names=frozenset(names),
        ending=ending,
        steady_time="%t" not in re.sub("-?[0-9]+", "", log_line_prefix),
    )
