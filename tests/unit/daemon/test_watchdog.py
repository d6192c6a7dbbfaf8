"""systemd hears of a sign of life only while every job gives one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from pgconflict.daemon import service
from pgconflict.daemon.health import Health
from pgconflict.daemon.job import Job
from pgconflict.daemon.metrics import Metrics

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_one_reader_that_hangs_among_others_that_work_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, health = Metrics(), Health()
    jobs = [Job("a", name, metrics, health, 30.0) for name in ("tail", "statistics")]
    for job in jobs:
        job.passed()
    beats: list[int] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)

        async def next_round(seconds: float) -> None:
            """Instead of a pause: what systemd was told, and how it goes on."""
            assert seconds == 20
            beats.append(_heard(systemd).count("WATCHDOG=1"))
            if len(beats) == 1:
                jobs[0]._pulse -= 1000
            elif len(beats) == 2:
                jobs[0].passed()
            else:
                raise asyncio.CancelledError

        monkeypatch.setattr("pgconflict.daemon.service.asyncio.sleep", next_round)
        with contextlib.suppress(asyncio.CancelledError):
            await service._tell_systemd(jobs)

    assert beats == [1, 0, 1]


def _heard(channel: socket.socket) -> list[str]:
    heard: list[str] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard += channel.recv(4096).decode().splitlines()
    return heard
