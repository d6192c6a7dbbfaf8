"""Which process is which worker: the log says it once, when the worker starts."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

WorkerKind = Literal["apply", "parallel apply", "table sync", "sequence sync"]

_RUNNING_KEPT: Final = 1024  # workers at once: max_logical_replication_workers is 4
_ENDED_KEPT: Final = 32  # they may still say that the subscription is disabled


class Worker(msgspec.Struct):
    """One worker process. `session_id` is its own, or made from pid and start."""

    session_id: str
    subname: str | None
    kind: WorkerKind
    relname: str | None = None  # table sync: the unqualified table
    recorded: int = 0  # entries given so far; numbers them where the log does not
    number: int = 1  # of the workers that this key had


class Workers:
    """The workers seen, by what identifies a process in this log; bounded."""

    def __init__(self, state: dict[str, Any]) -> None:
        """`state` is what `state()` gave."""
        self._running: dict[str, Worker] = {}
        self._ended: dict[str, Worker] = {}
        for seen, saved in (
            (self._running, state.get("running", {})),
            (self._ended, state.get("ended", {})),
        ):
            for key, worker in saved.items():
                seen[key] = msgspec.convert(worker, Worker)

    def started(self, key: str, worker: Worker) -> None:
        """Remember a worker; an earlier one with the same key is gone."""
        self._running.pop(key, None)
        self._ended.pop(key, None)
        self._running[key] = worker
        if len(self._running) > _RUNNING_KEPT:
            self._running.pop(next(iter(self._running)))

    def failed(self, key: str) -> None:
        """An ERROR ends a worker, after a last message or two."""
        worker = self._running.pop(key, None)
        if worker is None:
            return
        self._ended[key] = worker
        if len(self._ended) > _ENDED_KEPT:
            self._ended.pop(next(iter(self._ended)))

    def ended(self, key: str) -> None:
        """It said that it finished or stops."""
        self._running.pop(key, None)

    def running(self, key: str) -> Worker | None:
        """The worker, if its start was seen and its end was not."""
        return self._running.get(key)

    def has_ended(self, key: str) -> bool:
        """Whether an error ended it."""
        return key in self._ended

    def get(self, key: str) -> Worker | None:
        """The worker, if its start was seen."""
        return self._running.get(key) or self._ended.get(key)

    def state(self) -> dict[str, Any]:
        """What `Workers(state)` needs to go on."""
        state: dict[str, Any] = {}
        if self._running:
            state["running"] = msgspec.to_builtins(self._running)
        if self._ended:
            state["ended"] = msgspec.to_builtins(self._ended)
        return state
