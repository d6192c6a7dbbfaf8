"""Jobs go on after what may pass, and end with what may not."""

from __future__ import annotations

import logging

import pytest

from pgconflict.daemon import job as jobs
from pgconflict.daemon.health import Health
from pgconflict.daemon.job import Job
from pgconflict.daemon.messages import LOGGER
from pgconflict.daemon.metrics import Metrics
from pgconflict.errors import (
    ConfigError,
    ConflictLogUnavailableError,
    NodeNotReadyError,
    NodeUnavailableError,
    PgConflictError,
)


@pytest.fixture
def job() -> Job:
    return Job("a", "tail", Metrics(), Health(), within_s=30)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAST_PAUSE_S", "LONGEST_PAUSE_S", "NOT_READY_PAUSE_S"):
        monkeypatch.setattr(jobs, name, 0.001)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    LOGGER.propagate = True
    caplog.set_level(logging.INFO, "pgconflict")
    return caplog


class Work:
    """Does in turn what it is given: raises an error, or passes once."""

    def __init__(self, job: Job, *steps: Exception | None) -> None:
        self.job = job
        self.steps = list(steps)

    async def __call__(self) -> None:
        while True:
            step = self.steps.pop(0)
            if step is not None:
                raise step
            self.job.passed()


def restarts(job: Job) -> float | None:
    return job.metrics.registry.get_sample_value(
        "pgconflict_job_restarts_total", {"node": "a", "job": "tail"}
    )


async def test_it_tries_again_until_a_defect_ends_it(job: Job) -> None:
    away = NodeUnavailableError("a is away")
    work = Work(job, away, ConflictLogUnavailableError("x"), None, away, KeyError("x"))

    with pytest.raises(KeyError):
        await job.keep(work)

    assert work.steps == []
    assert restarts(job) == 3


async def test_what_nobody_can_wait_for_ends_it(job: Job) -> None:
    with pytest.raises(ConfigError):
        await job.keep(Work(job, NodeNotReadyError("x"), ConfigError("no schema")))

    assert restarts(job) == 1


async def test_the_same_trouble_is_said_once(
    job: Job, said: pytest.LogCaptureFixture
) -> None:
    def away() -> PgConflictError:
        return NodeUnavailableError("a is away", hint="start it")

    work = Work(job, away(), away(), away(), None, None, away(), KeyError())

    with pytest.raises(KeyError):
        await job.keep(work)

    assert [record.getMessage() for record in said.records] == [
        "a is away; start it node=a job=tail",
        "works again node=a job=tail",
        "a is away; start it node=a job=tail",
    ]


async def test_a_failure_settles_and_readiness_waits_for_a_pass(job: Job) -> None:
    assert job.health.late() == ["a/tail"]
    with pytest.raises(KeyError):
        await job.keep(Work(job, NodeUnavailableError("x"), KeyError()))
    assert job.settled.is_set()
    assert job.health.late() == ["a/tail"]

    job.passed()

    assert job.health.late() == []


def test_pauses_are_drawn_between_one_second_and_thirty(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    state = State(NodeUnavailableError("x"))

    drawn = [job._pause(state) for _ in range(300)]  # type: ignore[arg-type]

    assert all(1 <= pause <= 30 for pause in drawn)
    assert drawn[0] <= 2
    assert max(drawn) > 20
    assert len(set(drawn)) > 200
    assert job._pause(State(NodeNotReadyError("x"))) == 60  # type: ignore[arg-type]


class State:
    """As much of tenacity's RetryCallState as a pause depends on."""

    def __init__(self, error: Exception) -> None:
        self.outcome = self
        self._error = error

    def exception(self) -> Exception:
        return self._error


def test_a_job_hangs_when_nothing_is_heard_of_it(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [job.hangs]
    now = job._pulse
    monkeypatch.setattr("time.monotonic", lambda: now + 121)
    seen.append(job.hangs)
    job.waits()
    seen.append(job.hangs)

    assert seen == [False, True, False]


def test_a_job_whose_answers_may_come_late_is_given_the_time(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = job._pulse
    job.wait_s = 60
    monkeypatch.setattr("time.monotonic", lambda: now + 599)
    seen = [job.hangs]
    monkeypatch.setattr("time.monotonic", lambda: now + 601)
    seen.append(job.hangs)

    assert seen == [False, True]
