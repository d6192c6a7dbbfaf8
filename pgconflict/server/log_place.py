"""What a place with log files can do: the node's disk, or the node over SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable


class LogFile(NamedTuple):
    """A file as a listing shows it."""

    name: str
    size: int
    modified: int
    """Nanoseconds since 1970; over SQL only whole seconds of them."""
    identity: Hashable
    """Stays when the file is renamed, where the place can tell."""


class Piece(NamedTuple):
    """What one look into a file found."""

    data: bytes
    head: bytes
    """The file's first bytes, read after `data`."""
    size: int | None
    """The file's size, where it costs nothing to know it."""


class OpenLog(Protocol):
    """A log file that is being read."""

    @property
    def name(self) -> str:
        """Name in the directory, when it was opened."""

    @property
    def identity(self) -> Hashable:
        """As in `LogFile`."""

    async def read(self, offset: int, length: int, head_length: int) -> Piece | None:
        """Return up to `length` bytes from `offset`; None if the file is gone."""

    def close(self) -> None:
        """Let it go."""


class LogPlace(Protocol):
    """A directory of log files."""

    @property
    def directory(self) -> str:
        """Its path, as the operator knows it."""

    @property
    def listing_due(self) -> bool:
        """Whether `files` may have something new to say; it is not free."""

    async def files(self) -> list[LogFile]:
        """Return every file of the directory."""

    async def open(self, name: str) -> OpenLog | None:
        """Open a file; None if it is gone.

        Raises:
            PrivilegeMissingError: it may not be read.
        """

    async def wait(self, seconds: float) -> None:
        """Return when something may have been written, at the latest after that."""

    def watch(self, log: OpenLog) -> None:
        """Say which file is read now: `wait` returns when it grows."""

    def close(self) -> None:
        """Let everything go."""
