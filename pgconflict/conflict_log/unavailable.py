"""What a failure of the conflict log's database means: nothing is lost, try later."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from pgconflict.errors import ConflictLogUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Turns the drivers' failures into ConflictLogUnavailableError."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as e:
        raise ConflictLogUnavailableError(
            f"the conflict log did not answer: {reason_of(e)}",
            hint="nothing is lost: the server logs are read on from where they were"
            " once it answers",
        ) from e


def reason_of(error: Exception) -> str:
    """What a driver says of a failure, without the values that were to be stored.

    A server's DETAIL may hold a row, and asyncpg shows an argument that it can't send.
    """
    name = type(error).__name__
    if isinstance(error, ValueError):  # asyncpg's own DataError
        return name
    said = error.args[0] if isinstance(error, asyncpg.PostgresError) else str(error)
    return f"{name}: {said}".rstrip(": ")
