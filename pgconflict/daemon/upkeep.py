"""The job `upkeep`: the conflict log's days, made ahead and dropped in time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pgconflict.conflict_log.retention import maintain
from pgconflict.conflict_log.unavailable import translated
from pgconflict.daemon.conflict_log import connect

if TYPE_CHECKING:
    from pgconflict.config import Config
    from pgconflict.daemon.job import Job

ROUND_S: Final = 600.0


async def keep_up(config: Config, job: Job) -> None:
    """Do a round every ten minutes, until the conflict log is away.

    Raises:
        ConflictLogUnavailableError: it is, or somebody held a lock for long.
    """
    # Of no length would drop everything; the configuration's 0 keeps for ever.
    retention = config.conflict_log.retention or None
    connection = await connect(config, job.title)
    try:
        while True:
            async with translated():
                done = await maintain(connection, retention, datetime.now(UTC))
                await connection.execute("select pgconflict.summarize_days()")
            for day in done.dropped:
                job.log.info("dropped the conflicts of %s, past the retention", day)
            job.passed()
            await asyncio.sleep(ROUND_S)
    finally:
        connection.terminate()
