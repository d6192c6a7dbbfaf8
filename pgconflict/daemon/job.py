"""Keeps one job going: foreseen failures end a try, never the daemon.

The one place that tries again. A job connects, works and fails as a whole; all it
must not lose is in the conflict log. Anything unforeseen ends the process.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from pgconflict.daemon.messages import Messages, messages
from pgconflict.errors import (
    ConfigError,
    NodeNotReadyError,
    NodeUnavailableError,
    PgConflictError,
    ServerUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pgconflict.daemon.health import Health
    from pgconflict.daemon.metrics import Metrics

LEAST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
"""Between two tries at a server that is away; drawn, so that not all come at once."""

NOT_READY_PAUSE_S: Final = 60.0
"""Between two looks at what a person must mend."""

PULSE_S: Final = 120.0
"""A job that neither passed nor failed for so long, or for its own time, hangs."""

WAITS: Final = 10
"""Answers that a pass waits for one after the other, at most; each comes within the
limits of the configuration, or its failure does."""


@dataclass(slots=True)
class Job:
    """One thing that the daemon does all the time, mostly for one node."""

    node: str
    name: str
    metrics: Metrics
    health: Health
    within_s: float
    """How long a pass may take; longer, and /readyz says so."""
    down: tuple[type[PgConflictError], ...] = (NodeUnavailableError,)
    """Failures that mean that the node does not answer."""
    wait_s: float = 0.0
    """How long a pass may wait for one answer."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after the first pass, or the first failure."""
    log: Messages = field(init=False)
    _failures: int = 0
    _said: str = ""
    _pulse: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Make known that it is expected."""
        self.log = messages(node=self.node, job=self.name)
        self.health.expect(self.title, self.within_s)

    @property
    def title(self) -> str:
        """Name among all jobs: `a/tail`."""
        return f"{self.node}/{self.name}" if self.node else self.name

    def passed(self) -> None:
        """Note that a pass is done: all is well."""
        self._pulse = time.monotonic()
        self.health.passed(self.title)
        if self._said:
            self.log.info("works again")
            self._said = ""
        self._failures = 0
        self.settled.set()

    def waits(self) -> None:
        """Note that it waits for its turn: alive, and not at work."""
        self._pulse = time.monotonic()
        self.health.failed(self.title)
        self.settled.set()

    @property
    def hangs(self) -> bool:
        """Whether nothing was heard of it for so long that it must be stuck."""
        longest = max(PULSE_S, self.within_s, WAITS * self.wait_s)
        return time.monotonic() - self._pulse > longest

    async def keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work for ever, again after each foreseen failure.

        Raises:
            ConfigError: what the configuration names is not as it must be.
            Exception: a defect.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception(_may_pass), wait=self._pause, reraise=True
        )
        async for attempt in retrying:
            with attempt:
                self._pulse = time.monotonic()
                await work()

    def _pause(self, state: RetryCallState) -> float:
        """Note the failure; the seconds until the next try."""
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, PgConflictError)  # noqa: S101 - _may_pass says so
        self._failures += 1
        self._pulse = time.monotonic()
        self.health.failed(self.title)
        self.metrics.job_restarts.labels(self.node, self.name).inc()
        if self.node and isinstance(error, self.down):
            self.metrics.node_up.labels(self.node).set(0)
        self._say(error)
        self.settled.set()
        if not isinstance(error, ServerUnavailableError):
            return NOT_READY_PAUSE_S
        widest = min(LONGEST_PAUSE_S, 2.0**self._failures)
        return random.uniform(LEAST_PAUSE_S, widest)  # noqa: S311 - no secret

    def _say(self, error: PgConflictError) -> None:
        """Say it when it is new; not at each try."""
        text = f"{error}; {error.hint}" if error.hint else str(error)
        if text != self._said:
            self.log.warning(text)
            self._said = text


def _may_pass(error: BaseException) -> bool:
    """Whether the same work may succeed later."""
    if isinstance(error, NodeNotReadyError):
        return True
    return isinstance(error, PgConflictError) and not isinstance(error, ConfigError)
