"""A change of settings takes effect where the old files end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from pgconflict.config import Node, ServerLog
from pgconflict.server import log_reader
from pgconflict.server.log_follower import Bytes
from pgconflict.server.log_reader import LogReader, ReadPosition
from pgconflict.server.log_settings import LogSettings

if TYPE_CHECKING:
    from pathlib import Path

    from pgconflict.server.session import NodeSession

NODE = Node(name="a", dsn="dbname=x", server_log=ServerLog(read="file"))
NO_SESSION = cast("NodeSession", None)  # the files are here


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "SETTLE_S", 0.0)


def settings(folder: Path, *formats: str, **more: Any) -> LogSettings:
    plain: dict[str, Any] = {
        "system_identifier": 1,
        "database": "app",
        "server_version": "18.4",
        "collector": True,
        "formats": formats,
        "directory": str(folder),
        "file_name": "pg-%s.log",
        "data_directory": "/nowhere",
        "line_prefix": "%m [%p] ",
        "timezone": "UTC",
        "error_verbosity": "default",
        "languages": frozenset(),
        "codec": None,
        "cluster_name": "",
    }
    return LogSettings(**(plain | more))


class Tail:
    """Reads as the daemon does; all that it reads is made use of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reader: LogReader
        self.used = 0
        self.seen: list[tuple[str, str]] = []

    async def open(
        self, now: LogSettings, position: ReadPosition | None = None
    ) -> None:
        self.reader = await LogReader.open(NODE, NO_SESSION, now, position)
        self.used = self.reader.begin

    async def read(self) -> list[tuple[str, str]]:
        """Everything new, with the format that it is read as."""
        self.seen = []
        quiet = 0
        while quiet < 4:
            # Each look lists: nothing here waits for inotify.
            self.reader._follower.place._listed_at = -1e9  # type: ignore[attr-defined]
            event = await self.reader.next(self.used)
            if isinstance(event, Bytes):
                self.used += len(event.data)
                self.seen.append((self.reader.log_format, event.data.decode()))
                quiet = 0
            elif event is not None:
                self.used = self.reader.begin
            else:
                quiet += 1
        return self.seen

    def write(self, name: str, text: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(text)

    def position(self) -> ReadPosition:
        position = self.reader.position(self.used)
        assert position is not None
        return position


@pytest.fixture
def tail(tmp_path: Path) -> Tail:
    return Tail(tmp_path)


async def test_the_best_format_is_read(tail: Tail) -> None:
    tail.write("pg-1.log", "text")
    tail.write("pg-1.json", "json")
    await tail.open(settings(tail.folder, "jsonlog", "stderr"))

    assert await tail.read() == [("jsonlog", "json")]


async def test_a_format_switched_off_is_read_to_its_end_and_its_strays(
    tail: Tail,
) -> None:
    """Stray entries are in stderr's file: of the format before, and of the next."""
    tail.write("pg-1.csv", "csv one ")
    await tail.open(settings(tail.folder, "csvlog"))
    await tail.read()
    tail.write("pg-1.csv", "csv two ")
    tail.write("pg-1.log", "stray")
    tail.write("pg-2.json", "json")

    await tail.reader.refresh(settings(tail.folder, "jsonlog"), tail.used)

    assert await tail.read() == [
        ("csvlog", "csv two "),
        ("csvlog", "stray"),
        ("jsonlog", "stray"),
        ("jsonlog", "json"),
    ]


async def test_a_format_that_is_still_written_is_read_on(tail: Tail) -> None:
    tail.write("pg-1.csv", "csv one ")
    await tail.open(settings(tail.folder, "csvlog"))
    await tail.read()
    tail.write("pg-2.json", "json")
    tail.write("pg-1.csv", "csv two ")

    await tail.reader.refresh(settings(tail.folder, "jsonlog", "csvlog"), tail.used)

    assert await tail.read() == [("csvlog", "csv two ")]


async def test_a_better_format_is_taken_up_after_a_while(
    tail: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "BETTER_FORMAT_S", 0.0)
    tail.write("pg-1.log", "text one ")
    await tail.open(settings(tail.folder, "stderr"))
    await tail.read()
    tail.write("pg-1.log", "text two ")
    tail.write("pg-2.json", "json")

    await tail.reader.refresh(settings(tail.folder, "jsonlog", "stderr"), tail.used)

    assert await tail.read() == [("stderr", "text two "), ("jsonlog", "json")]


async def test_another_directory_and_other_names(tail: Tail, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    tail.write("pg-1.json", "one ")
    await tail.open(settings(tail.folder, "jsonlog"))
    await tail.read()
    tail.write("pg-1.json", "two ")
    (elsewhere / "x.json").write_text("three")

    await tail.reader.refresh(
        settings(elsewhere, "jsonlog", file_name="x.log"), tail.used
    )

    assert await tail.read() == [("jsonlog", "two "), ("jsonlog", "three")]


async def test_other_names_in_the_same_directory(tail: Tail) -> None:
    tail.write("pg-1.json", "one ")
    await tail.open(settings(tail.folder, "jsonlog"))
    await tail.read()
    tail.write("pg-1.json", "two ")
    tail.write("pg-2.json", "three ")
    tail.write("x.json", "four")

    await tail.reader.refresh(
        settings(tail.folder, "jsonlog", file_name="x.log"), tail.used
    )

    assert [text for _, text in await tail.read()] == ["two ", "three ", "four"]


async def test_after_a_restart_it_goes_on_in_the_format_of_the_position(
    tail: Tail,
) -> None:
    tail.write("pg-1.csv", "csv one ")
    await tail.open(settings(tail.folder, "csvlog"))
    await tail.read()
    position = tail.position()
    tail.reader.close()
    tail.write("pg-1.csv", "csv two ")
    tail.write("pg-2.json", "json")

    await tail.open(settings(tail.folder, "jsonlog"), position)

    assert await tail.read() == [("csvlog", "csv two "), ("jsonlog", "json")]


async def test_after_a_restart_it_goes_on_in_the_directory_of_the_position(
    tail: Tail, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    tail.write("pg-1.json", "one ")
    await tail.open(settings(tail.folder, "jsonlog"))
    await tail.read()
    position = tail.position()
    tail.reader.close()
    tail.write("pg-1.json", "two ")
    (elsewhere / "pg-2.json").write_text("three")

    await tail.open(settings(elsewhere, "jsonlog"), position)

    assert [text for _, text in await tail.read()] == ["two ", "three"]


async def test_a_position_whose_file_is_gone_is_a_gap(tail: Tail) -> None:
    tail.write("pg-1.json", "one")
    await tail.open(settings(tail.folder, "jsonlog"))
    await tail.read()
    position = tail.position()
    tail.reader.close()
    (tail.folder / "pg-1.json").unlink()
    tail.write("pg-2.json", "two")

    await tail.open(settings(tail.folder, "jsonlog"), position)

    assert [text for _, text in await tail.read()] == ["two"]
    assert tail.reader.gaps["vanished"] == 1


async def test_lines_that_look_different_are_read_again_from_the_last_look(
    tail: Tail,
) -> None:
    tail.write("pg-1.log", "old look;")
    await tail.open(settings(tail.folder, "stderr"))
    await tail.read()
    await tail.reader.refresh(settings(tail.folder, "stderr"), tail.used)
    tail.write("pg-1.log", "new look;")
    await tail.read()

    await tail.reader.refresh(
        settings(tail.folder, "stderr", line_prefix="%t "), tail.used
    )

    assert await tail.read() == [("stderr", "new look;")]
    assert tail.reader.settings.line_prefix == "%t "


async def test_a_language_set_since_the_last_look_is_one_more(tail: Tail) -> None:
    """A busy worker goes on in the old one for a while."""
    german = settings(tail.folder, "stderr", languages=frozenset({"de"}))
    tail.write("pg-1.log", "alt;")
    await tail.open(german)
    await tail.read()
    await tail.reader.refresh(german, tail.used)
    tail.write("pg-1.log", "nouveau;")
    await tail.read()

    french = settings(tail.folder, "stderr", languages=frozenset({"fr"}))
    await tail.reader.refresh(french, tail.used)

    assert await tail.read() == [("stderr", "nouveau;")]
    assert tail.reader.languages == frozenset({"de", "fr"})


async def test_old_files_are_left_alone_at_the_first_start(tail: Tail) -> None:
    import os

    tail.write("pg-1.json", "old")
    os.utime(tail.folder / "pg-1.json", (1e9, 1e9))
    tail.write("pg-2.json", "new")

    await tail.open(settings(tail.folder, "jsonlog"))

    assert [text for _, text in await tail.read()] == ["new"]
