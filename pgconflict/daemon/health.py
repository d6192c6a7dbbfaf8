"""Whether the daemon does its work: what /readyz and systemd's watchdog ask."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Health:
    """When each job last finished a pass, and how long that may be ago.

    Read by the HTTP thread, written by the event loop: every entry is replaced
    whole, so no lock is needed.
    """

    _limits: dict[str, float] = field(default_factory=dict)
    _passed: dict[str, float] = field(default_factory=dict)

    def expect(self, job: str, within_s: float) -> None:
        """From now on the job must finish a pass every `within_s` seconds."""
        self._limits[job] = within_s

    def drop(self, job: str) -> None:
        """The job is no more."""
        self._limits.pop(job, None)
        self._passed.pop(job, None)

    def passed(self, job: str) -> None:
        """The job finished a pass."""
        self._passed[job] = time.monotonic()

    def failed(self, job: str) -> None:
        """The job can't do its work now; not ready until it has passed again."""
        self._passed.pop(job, None)

    def expected(self) -> list[str]:
        """Jobs that must finish passes, in order."""
        return sorted(dict(self._limits))

    def late(self) -> list[str]:
        """Jobs that did not finish a pass in time, in order; none when all is well."""
        now = time.monotonic()
        return sorted(
            job
            for job, limit in dict(self._limits).items()
            if now - self._passed.get(job, float("-inf")) > limit
        )
