"""What can go wrong, in the operator's terms, and the exit code each means.

The message says what happened; `hint` says what to do about it.
"""

from __future__ import annotations

from typing import ClassVar


class PgConflictError(Exception):
    """Any failure that pgconflict foresaw; everything else is a defect."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(PgConflictError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ServerUnavailableError(PgConflictError):
    """A server refused, hung or went away; the same call may succeed later."""

    exit_code = 69


class NodeUnavailableError(ServerUnavailableError):
    """A node can't be reached."""


class ConflictLogUnavailableError(ServerUnavailableError):
    """The conflict log database can't be reached, or is full or read-only."""


class PrivilegeMissingError(PgConflictError):
    """The role may not do what was asked; the hint holds the GRANT."""

    exit_code = 77


class ConfigError(PgConflictError):
    """The configuration is wrong, or what it names is not as it must be."""

    exit_code = 78


class NodeNotReadyError(PgConflictError):
    """The node answers but can't be followed as it is set up; the hint mends it."""

    exit_code = 78
