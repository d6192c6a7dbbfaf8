"""The command `scan`, on files as they lie about."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgconflict.cli.main import main
from pgconflict.core.fields import SCAN_FIELDS
from tests.bench.logs import missing_row, started, write_quiet
from tests.fixtures.corpus_logs import CORPUS, log

Scan = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def scan(capsys: pytest.CaptureFixture[str]) -> Scan:
    def run(*words: str | Path, code: int = 0) -> list[dict[str, Any]]:
        assert main(["--json", "scan", *map(str, words)]) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def write(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def conflicts(log_format: str, *numbers: int) -> bytes:
    rows = b"".join(missing_row(log_format, number) for number in numbers)
    return started(log_format) + rows


@pytest.mark.parametrize("log_format", ["jsonlog", "csvlog", "stderr"])
def test_one_object_a_conflict_with_the_contracts_fields(
    log_format: str, scan: Scan, tmp_path: Path
) -> None:
    found = scan(write(tmp_path / "x.log", conflicts(log_format, 1, 2)))

    assert len(found) == 2
    for number, record in enumerate(found, 1):
        assert tuple(record) == SCAN_FIELDS
        assert record["source"] == log_format
        assert record["replica_identity"] == {"id": str(number)}
        assert record["remote_commit_lsn"] == f"0/{0x1BB5CA8 + number:X}"
        assert record["first_logged_at"] == f"2026-11-20T00:00:00.00{number}000Z"
        assert record["status"] == "applied"
        assert record["remote_tuple"] is None
        assert (record["schemaname"], record["relname"]) == ("shop", "orders")


def test_rotated_files_are_one_log_in_time_order(scan: Scan, tmp_path: Path) -> None:
    """Only the first file says which worker the pid is."""
    write(tmp_path / "b.log", started("stderr"), missing_row("stderr", 1))
    later = write(tmp_path / "a.log", missing_row("stderr", 70_000))

    found = scan(tmp_path / "a.log", tmp_path / "b.log")

    assert [record["subname"] for record in found] == ["sub", "sub"]
    assert found == scan(tmp_path / "b.log", later)


def test_gzip_files_are_read_whatever_they_are_called(
    scan: Scan, tmp_path: Path
) -> None:
    plain = write(tmp_path / "x.log", conflicts("jsonlog", 1, 2))
    data = plain.read_bytes()
    half = len(missing_row("jsonlog", 1))
    members = gzip.compress(data[:half]) + gzip.compress(data[half:])

    assert scan(write(tmp_path / "y.log", members)) == scan(plain)


def test_a_gzip_file_that_ends_too_early_is_read_up_to_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = gzip.compress(conflicts("jsonlog", *range(2000)))
    path = write(tmp_path / "x.gz", data[: len(data) // 2])

    assert main(["--json", "scan", str(path)]) == 0

    out, err = capsys.readouterr()
    assert 100 < len(out.splitlines()) < 2000
    assert "ends too early" in err


def test_standard_input_is_a_file(
    scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.log", conflicts("csvlog", 1))
    with path.open("rb") as file:
        monkeypatch.setattr("pgconflict.cli.log_files.STDIN_FD", file.fileno())

        assert scan("-") == scan(path)


def test_copies_and_formats_of_one_log_count_once(scan: Scan) -> None:
    files = [CORPUS / "18/main/B" / f"{each}.log.gz" for each in ("json", "csv")]

    both, one = scan(*files, files[0]), scan(files[0])

    assert [r["attempts"] for r in both] == [r["attempts"] for r in one]


def test_findings_fail_if_asked(scan: Scan, tmp_path: Path) -> None:
    quiet = write(tmp_path / "quiet.log", log("18/main", "jsonlog", "A")[:300])
    busy = write(tmp_path / "busy.log", conflicts("jsonlog", 1))

    assert scan(quiet, "--fail-on-conflict") == []
    assert len(scan(busy, "--fail-on-conflict", code=3)) == 1


@pytest.mark.parametrize("data", [b"", b"\n", b"\0" * 100, b"not a log\n" * 50])
def test_what_is_no_log_has_no_conflicts(
    data: bytes, scan: Scan, tmp_path: Path
) -> None:
    assert scan(write(tmp_path / "x.log", data)) == []


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["missing.log"], "missing.log"),
        (["."], "."),
        (["zone.log"], "--log-timezone"),
        (["zone.log", "--log-timezone", "Mars/Olympus"], "Mars/Olympus"),
        (["two.log"], "--log-line-prefix"),
    ],
)
def test_what_the_user_must_say_is_said(
    words: list[str],
    hint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    row = conflicts("stderr", 1)
    write(tmp_path / "zone.log", row.replace(b"UTC", b"IST"))
    write(tmp_path / "two.log", row, row.replace(b"UTC [24272] ", b"UTC 24272> "))

    assert main(["--json", "scan", *words]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert hint in err


def test_a_named_zone_is_read_as_told(scan: Scan, tmp_path: Path) -> None:
    data = conflicts("jsonlog", 1).replace(b"UTC", b"IST")

    found = scan(write(tmp_path / "x.log", data), "--log-timezone", "Asia/Kolkata")

    assert found[0]["first_logged_at"] == "2026-11-19T18:30:00.001000Z"


def test_a_log_without_times_has_conflicts_without_times(
    scan: Scan,
) -> None:
    found = scan(CORPUS / "15/noprefix/B/stderr.log.gz")

    assert len(found) == 17
    assert {record["first_logged_at"] for record in found} == {None}


def test_the_report_counts_and_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "x.log", conflicts("stderr", 1, 2, 4_000_000))

    assert main(["scan", str(path)]) == 0

    out = capsys.readouterr().out
    assert "3 conflicts" in out
    for words in ("update_missing", "shop.orders", "2026-11-20 01:00", "(id)=(2)"):
        assert words in out
    assert main(["scan", str(write(tmp_path / "y.log", b""))]) == 0
    assert capsys.readouterr().out == "no conflicts\n"


def test_a_large_quiet_log_takes_no_more_memory_than_a_small_one(
    tmp_path: Path,
) -> None:
    """Measured in a process of its own: the most that it ever held."""

    def most(path: Path) -> int:
        # Not ru_maxrss: that is the parent's at least, which the process began as.
        code = (
            "import re, sys; from pgconflict.cli.main import main;"
            "main(['--json', 'scan', sys.argv[1]]);"
            "status = open('/proc/self/status').read();"
            "print(re.search(r'VmHWM:\\s+([0-9]+)', status)[1], file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            check=True,
            capture_output=True,
            cwd=Path(__file__).parents[3],
        )
        return int(done.stderr.split()[-1])

    for log_format in ("jsonlog", "csvlog", "stderr"):
        write_quiet(tmp_path / "small", log_format, 1 << 20)
        write_quiet(tmp_path / "large", log_format, 1 << 26)

        small, large = most(tmp_path / "small"), most(tmp_path / "large")

        assert large < small + 4096  # kB
