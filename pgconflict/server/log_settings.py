"""Where a server writes its log, in which format, and under which file names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgconflict.core.encodings import only_codec
from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

FORMATS: Final = ("jsonlog", "csvlog", "stderr")
"""log_destination's words for what can be read, the best first."""

_SUFFIXES: Final = {"jsonlog": ".json", "csvlog": ".csv"}

# strftime's conversions as the server fills them in. Source: pg_strftime.
_CONVERSIONS: Final = {
    "Y": r"\d{4}",
    "G": r"\d{4}",
    "C": r"\d{2}",
    "y": r"\d{2}",
    "g": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "e": r"[ \d]\d",
    "H": r"\d{2}",
    "I": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "j": r"\d{3}",
    "U": r"\d{2}",
    "W": r"\d{2}",
    "V": r"\d{2}",
    "u": r"\d",
    "w": r"\d",
    "s": r"\d+",
    "a": r"\w{3}",
    "A": r"\w+",
    "b": r"\w{3}",
    "h": r"\w{3}",
    "B": r"\w+",
    "p": r"\w{2}",
    "F": r"\d{4}-\d{2}-\d{2}",
    "T": r"\d{2}:\d{2}:\d{2}",
    "R": r"\d{2}:\d{2}",
    "z": r"[+-]\d{4}",
    "%": "%",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """A server's settings about its log."""

    system_identifier: int
    database: str
    """The one that was asked."""
    server_version: str
    collector: bool
    formats: tuple[str, ...]
    """Those of log_destination that can be read, the best first."""
    directory: str
    """log_directory, as set: relative to the data directory, or absolute."""
    file_name: str
    """log_filename, with strftime's conversions."""
    data_directory: str
    line_prefix: str
    timezone: str
    error_verbosity: str
    languages: frozenset[str] | None
    """Besides English, that messages may be in, as `de` or `pt_BR`; None: any."""
    codec: str | None
    """Of all databases with a subscription, if it is one and not UTF-8."""
    cluster_name: str

    @classmethod
    def from_row(cls, node: str, row: asyncpg.Record) -> LogSettings:
        """Make it of the row of `log_settings`.

        Raises:
            PrivilegeMissingError: the role may not see where the log is.
        """
        hidden = [
            name
            for name in ("log_directory", "log_filename", "data_directory")
            if row[name] is None
        ]
        if hidden:
            raise PrivilegeMissingError(
                f"node {node}: the role may not see {', '.join(hidden)}",
                hint="GRANT pg_monitor TO the role",
            )
        written = {word.strip().lower() for word in row["log_destination"].split(",")}
        return cls(
            system_identifier=row["system_identifier"],
            database=row["database"],
            server_version=row["server_version"],
            collector=row["logging_collector"] == "on",
            formats=tuple(name for name in FORMATS if name in written),
            directory=row["log_directory"],
            file_name=row["log_filename"],
            data_directory=row["data_directory"],
            line_prefix=row["log_line_prefix"] or "",
            timezone=row["log_timezone"],
            error_verbosity=row["log_error_verbosity"],
            languages=_languages([row["lc_messages"] or "", *row["more_lc_messages"]]),
            codec=only_codec(row["worker_encodings"]),
            cluster_name=row["cluster_name"] or "",
        )

    def require_files(self, node: str) -> None:
        """Refuse a server that writes no log file.

        Raises:
            NodeNotReadyError: with what to set.
        """
        if not self.formats:
            raise NodeNotReadyError(
                f"node {node} writes no log that can be read (log_destination)",
                hint="ALTER SYSTEM SET log_destination = 'jsonlog';"
                " SELECT pg_reload_conf()",
            )
        if not self.collector:
            raise NodeNotReadyError(
                f"node {node} collects its log in no file (logging_collector is off)",
                hint="ALTER SYSTEM SET logging_collector = on; then restart the server",
            )

    @property
    def absolute_directory(self) -> str:
        """Path of the log directory on the server's host."""
        if self.directory.startswith("/"):
            return self.directory
        return f"{self.data_directory.rstrip('/')}/{self.directory}"

    def files_of(self, log_format: str) -> FileNames:
        """Return which files hold the log in this format."""
        return FileNames.of(self.file_name, log_format)


@dataclass(frozen=True, slots=True)
class FileNames:
    """The names that the files of one format have."""

    pattern: re.Pattern[str]
    other: re.Pattern[str]

    @classmethod
    def of(cls, file_name: str, log_format: str) -> FileNames:
        """Return the names that log_filename gives to the files of a format.

        Source: logfile_getname() in syslogger.c.

        >>> names = FileNames.of("postgresql-%Y-%m-%d.log", "jsonlog")
        >>> names.match("postgresql-2026-11-20.json")
        True
        >>> names.match("postgresql-2026-11-20.log")
        False
        """
        bases = {"": file_name}
        stem = file_name.removesuffix(".log") if len(file_name) > 4 else file_name  # noqa: PLR2004
        for suffix in _SUFFIXES.values():
            bases[suffix] = stem + suffix
        mine = _SUFFIXES.get(log_format, "")
        others = [_expression(name) for suffix, name in bases.items() if suffix]
        return cls(
            re.compile(_expression(bases[mine]), re.ASCII),
            re.compile("(?!)" if mine else "|".join(others), re.ASCII),
        )

    def match(self, name: str) -> bool:
        """Whether a file of this name is one of them."""
        return bool(self.pattern.fullmatch(name)) and not self.other.fullmatch(name)


def _languages(locales: Sequence[str]) -> frozenset[str] | None:
    """Languages of locales, with and without their country.

    None if one is that of the server's environment, which can't be asked.

    >>> sorted(_languages(["C", "en_US.UTF-8", "pt_BR.utf8"]))
    ['pt', 'pt_BR']
    """
    if "" in locales:
        return None
    found = set()
    for locale in locales:
        name = re.split(r"[.@]", locale)[0]
        found |= {name, name.partition("_")[0]}
    return frozenset(
        name for name in found if name not in {"", "C", "POSIX"} and name[:2] != "en"
    )


def _expression(file_name: str) -> str:
    parts = re.split(r"%[EO]?(.)", file_name, flags=re.DOTALL)
    return "".join(
        _CONVERSIONS.get(part, ".+") if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )
