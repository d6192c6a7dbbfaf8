"""A large file is read on while it is searched; nothing of it is lost or doubled."""

from __future__ import annotations

import gzip
import os
import random
import threading
from typing import TYPE_CHECKING

import pytest

from pgconflict.cli import log_files
from pgconflict.cli.log_files import CHUNK, LogFile
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 5 * CHUNK + 4321


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(log_files, "LARGE", CHUNK)
    path = tmp_path / "large.log"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    return path


def readers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "read-ahead"]


@pytest.mark.parametrize("gzipped", [False, True])
def test_every_byte_comes_once_and_in_order(
    large: Path,
    gzipped: bool,  # noqa: FBT001
) -> None:
    content = large.read_bytes()
    if gzipped:
        large.write_bytes(gzip.compress(content, 1))
    counts: list[int] = []
    pieces: list[bytes] = []

    with LogFile(str(large), counts.append) as file:
        for piece in file.chunks():
            pieces.append(bytes(piece))
            assert readers() or sum(map(len, pieces)) >= SIZE or len(pieces) == 1

    assert b"".join(pieces) == content
    assert sum(counts) == large.stat().st_size
    assert not readers()


def test_who_reads_no_further_ends_the_reading(large: Path) -> None:
    with LogFile(str(large), lambda _: None) as file:
        chunks = file.chunks()
        next(chunks)
        next(chunks)
        assert readers()

    assert not readers()


@pytest.mark.timeout(20)
def test_what_the_reader_meets_is_said(large: Path, tmp_path: Path) -> None:
    with LogFile(str(large), lambda _: None) as file:
        chunks = file.chunks()
        next(chunks)
        folder = os.open(tmp_path, os.O_RDONLY)
        os.dup2(folder, file._file.fileno())  # no file fails half way
        os.close(folder)

        with pytest.raises(UsageError, match="can't be read: Is a directory"):
            list(chunks)
