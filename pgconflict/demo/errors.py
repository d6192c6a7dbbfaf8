"""What can go wrong with a server of our own."""

from __future__ import annotations

from pgconflict.errors import PgConflictError


class ClusterError(PgConflictError):
    """A server could not be made, started or stopped; the message has its words."""
