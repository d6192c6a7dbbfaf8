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
            f"the conflict log did not answer: {type(e).__name__}: {e}".rstrip(": "),
            hint="nothing is lost: the server logs are read on from where they were"
            " once it answers",
        ) from e
