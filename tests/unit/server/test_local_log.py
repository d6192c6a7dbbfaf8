"""A directory of this host: who wakes whom, and how often."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError
from pgconflict.server import local_log
from pgconflict.server.local_log import LocalFile, LocalLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


@asynccontextmanager
async def opened(directory: Path, name: str) -> AsyncIterator[LocalLog]:
    """A directory whose file is watched, with nothing new in it."""
    place = LocalLog(str(directory), poll_s=0.02)
    log = await place.open(name)
    assert log is not None
    place.watch(log)
    await place.files()
    await place.wait(0)
    try:
        yield place
    finally:
        log.close()
        place.close()


async def waited(place: LocalLog, doing: Callable[[], object]) -> float:
    """Seconds from doing something until the wait for it ended."""
    waiting = asyncio.create_task(place.wait(1))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    began = time.monotonic()
    doing()
    await waiting
    return time.monotonic() - began


def due(place: LocalLog) -> bool:
    return place.listing_due


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x\n")


async def test_a_line_wakes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.touch()
    async with opened(tmp_path, "a.log") as place:
        times = [await waited(place, lambda: append(path)) for _ in range(5)]

        assert sorted(times)[2] < 0.02


async def test_a_deleted_file_that_is_written_on_wakes_too(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with path.open("ab", buffering=0) as server:
        async with opened(tmp_path, "a.log") as place:
            await waited(place, path.unlink)
            await place.files()
            await place.wait(0.1)

            assert await waited(place, lambda: server.write(b"x")) < 0.5


@pytest.mark.parametrize("what", ["new", "rename", "delete"])
async def test_names_that_change_ask_for_a_listing(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.log"
    path.touch()
    async with opened(tmp_path, "a.log") as place:
        assert not due(place)
        changes: dict[str, Callable[[], object]] = {
            "new": (tmp_path / "b.log").touch,
            "rename": lambda: path.rename(tmp_path / "a.log.1"),
            "delete": path.unlink,
        }
        await waited(place, changes[what])

        assert due(place)
        await place.files()
        assert not due(place)


async def test_a_line_alone_asks_for_no_listing(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with path.open("ab", buffering=0) as server:
        async with opened(tmp_path, "a.log") as place:
            await waited(place, lambda: server.write(b"x"))

            assert not place.listing_due


async def test_a_busy_log_wakes_twenty_times_a_second(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.touch()
    wakes = 0
    async with opened(tmp_path, "a.log") as place:
        until = time.monotonic() + 1
        with path.open("ab", buffering=0) as server:

            async def write() -> None:
                while time.monotonic() < until:
                    server.write(b"x\n")
                    await asyncio.sleep(0.001)

            async with asyncio.TaskGroup() as group:
                group.create_task(write())
                while time.monotonic() < until:
                    await place.wait(1)
                    wakes += 1

    assert 5 < wakes < 32


async def test_where_inotify_does_not_work_it_is_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(local_log, "Inotify", none_left)
    (tmp_path / "a.log").touch()
    place = LocalLog(str(tmp_path), poll_s=0.02)
    log = await place.open("a.log")
    assert log is not None
    place.watch(log)
    began = time.monotonic()
    await place.wait(1)
    log.close()

    assert 0.015 < time.monotonic() - began < 0.5


async def test_what_can_t_be_read_is_said_with_the_remedy(tmp_path: Path) -> None:
    place = LocalLog(str(tmp_path / "nowhere"), poll_s=1)
    with pytest.raises(NodeNotReadyError, match="nowhere"):
        await place.files()
    assert await place.open("a.log") is None


async def test_a_forbidden_file_is_a_missing_privilege(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    place = LocalLog(str(tmp_path), poll_s=1)
    monkeypatch.setattr("os.open", refuse)
    monkeypatch.setattr("os.scandir", refuse)

    with pytest.raises(PrivilegeMissingError, match=r"a\.log") as refused:
        await place.open("a.log")
    with pytest.raises(PrivilegeMissingError):
        await place.files()
    monkeypatch.undo()
    place.close()

    assert "log_file_mode" in str(refused.value.hint)


async def test_an_open_file_is_read_to_its_end_though_it_is_gone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"0123456789")
    log = LocalFile(path)
    path.unlink()

    piece = await log.read(4, 100, 3)
    log.close()

    assert piece == (b"456789", b"012", 10)
