"""What can go wrong with servers of our own."""

from __future__ import annotations

from pgconflict.errors import PgConflictError, ServerUnavailableError


class ClusterError(ServerUnavailableError):
    """A server could not be made, started or stopped; the message has its words."""


class DemoError(ServerUnavailableError):
    """The demonstration did not come to its end."""


class InterruptError(PgConflictError):
    """A signal asked for the end."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__(f"ended by {name}")
        self.number = number
