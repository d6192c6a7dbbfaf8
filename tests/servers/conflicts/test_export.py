"""`conflicts export`: every format holds what the conflict log holds."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.parquet
import pytest

from pgconflict.cli.conflicts_export import Rows
from pgconflict.cli.main import main
from pgconflict.cli.output import json_text
from pgconflict.conflict_log.filters import Filters
from pgconflict.conflict_log.reader import ConflictLogReader
from tests.fixtures.conflict_logs import (
    config_for,
    new_conflict_log,
    record,
    renamed,
    stalled,
)
from tests.fixtures.entries import entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.servers import ConflictLogServer

    Lines = Callable[..., list[dict[str, Any]]]

DAY = 86400
HOSTILE = 'a"b,\n\r\x1b[2J; =1+1\\N é'


@pytest.fixture(scope="module")
def filled(conflict_log_server: ConflictLogServer) -> str:
    """More than one fetch and more than one day, with values that CSV must quote."""
    dsn = new_conflict_log(conflict_log_server)
    entries = [
        entry(
            key=str(n),
            line=n,
            at=(n % 3) * DAY + n,
            remote_tuple={"id": str(n), "v": HOSTILE, "n": None},
        )
        for n in range(2500)
    ]
    entries.append(stalled(line=9001, relid=16500))
    entries.append(renamed(entry(key=HOSTILE, line=9002), message=HOSTILE))
    record(dsn, entries)
    return dsn


@pytest.fixture
def exported(
    filled: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., tuple[bytes, bytes]]:
    def run(*words: str) -> tuple[bytes, bytes]:
        code = main(
            ["--config", config_for(filled, tmp_path), "conflicts", "export", *words]
        )
        printed = capfdbinary.readouterr()
        assert code == 0, printed.err
        return printed.out, printed.err

    return run


def listed(dsn: str) -> list[dict[str, Any]]:
    """What `list --json` prints, of all of them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = ConflictLogReader(connection).conflicts(
            Filters(), limit=10_000, newest_first=False
        )
        return [json.loads(json_text(conflict)) for conflict in found]


def test_json_lines_are_those_of_list(
    filled: str, exported: Callable[..., tuple[bytes, bytes]]
) -> None:
    out, err = exported("--format", "jsonl")

    assert [json.loads(line) for line in out.splitlines()] == listed(filled)
    assert len(listed(filled)) == 2502
    assert err == b""
    assert exported("--json")[0] == out


def test_csv_comes_back_through_copy(
    filled: str, exported: Callable[..., tuple[bytes, bytes]]
) -> None:
    out, _ = exported("--format", "csv")
    assert exported()[0] == out

    names = next(csv.reader(io.StringIO(out.decode())))
    columns = ", ".join(names)
    with psycopg.connect(filled) as connection:
        connection.execute("create temporary table back (like pgconflict.conflict_log)")
        connection.execute(
            "alter table back alter identity drop not null, alter place drop not null,"
            " alter session_id drop not null, alter line_num drop not null"
        )
        statement = f"copy back ({columns}) from stdin (format csv, header match)"
        with connection.cursor().copy(statement.encode()) as copy:
            copy.write(out)
        for one, other in (
            ("back", "pgconflict.conflict_log"),
            ("pgconflict.conflict_log", "back"),
        ):
            left = connection.execute(
                f"select {columns} from {one}"
                f" except select {columns} from {other}".encode()
            ).fetchall()
            assert left == []
    assert names == list(listed(filled)[0])


def test_parquet_has_types_and_the_same_values(
    filled: str, exported: Callable[..., tuple[bytes, bytes]], tmp_path: Path
) -> None:
    file = tmp_path / "conflicts.parquet"

    out, err = exported("-o", str(file))

    table = pyarrow.parquet.read_table(file)
    rows = table.to_pylist()
    expected = listed(filled)
    assert table.column_names == list(expected[0])
    assert [
        str(table.schema.field(name).type)
        for name in (
            "conflict_id",
            "stalls",
            "first_logged_at",
            "index_names",
            "remote_xid",
        )
    ] == ["int64", "bool", "timestamp[us, tz=UTC]", "list<element: string>", "int64"]
    for row, conflict in zip(rows, expected, strict=True):
        assert row["conflict_id"] == conflict["conflict_id"]
        assert row["message"] == conflict["message"]
        assert (row["remote_tuple"] and json.loads(row["remote_tuple"])) == conflict[
            "remote_tuple"
        ]
        assert [json.loads(each) for each in row["local_conflicts"]] == conflict[
            "local_conflicts"
        ]
        assert row["first_logged_at"].isoformat() == conflict[
            "first_logged_at"
        ].replace("Z", "+00:00")
    assert (out, err) == (b"", f"2502 conflicts in {file}\n".encode())


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["--key", "7"], 1),
        (["--open"], 1),
        (["--type", "insert_exists", "--node", "a"], 1),
        (["--since", "2026-11-21", "--until", "2026-11-22"], 833),
        (["--node", "nobody"], 0),
        (["--table", "public.t"], 1),
    ],
    ids=str,
)
def test_filters_hold(
    exported: Callable[..., tuple[bytes, bytes]], words: list[str], number: int
) -> None:
    lines = exported("--format", "jsonl", *words)[0].splitlines()
    rows = list(
        csv.reader(io.StringIO(exported("--format", "csv", *words)[0].decode()))
    )

    assert (len(lines), len(rows) - 1) == (number, number)


def test_the_format_is_told_by_the_files_name(
    exported: Callable[..., tuple[bytes, bytes]], tmp_path: Path
) -> None:
    exported("-o", str(tmp_path / "x.jsonl"), "--key", "7")
    exported("-o", str(tmp_path / "x.txt"), "--key", "7")

    assert json.loads((tmp_path / "x.jsonl").read_text())["kind"] == "conflict"
    assert (tmp_path / "x.txt").read_text().startswith("conflict_id,kind,")


def test_a_file_appears_complete_or_not_at_all(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(dsn, [entry(key=str(n), line=n, at=n) for n in range(2500)])
    file = tmp_path / "there.csv"
    file.write_text("of before")
    words = ["--config", config_for(dsn, tmp_path), "conflicts", "export"]

    assert main([*words, "-o", str(tmp_path / "no" / "folder.csv")]) == 2
    assert "No such file or directory" in capsys.readouterr().err
    with psycopg.connect(dsn, autocommit=True) as connection:
        # A row that can't be read, far behind the first.
        connection.execute(
            "update pgconflict.conflict_log set local_conflicts ="
            ' array[jsonb \'{"xid": "text"}\'] where line_num = 2499'
        )
    with pytest.raises(Exception, match="xid"):
        main([*words, "--format", "jsonl", "-o", str(file)])

    assert file.read_text() == "of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pgconflict.yml",
        "there.csv",
    ]


def test_parquet_without_pyarrow_says_what_to_install(
    refused: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the import system sees a module that is not there.
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    code, err = refused("export", "--format", "parquet")

    assert code == 2
    assert "pip install 'pgconflict[parquet]'" in err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()

    with Rows("export", 200, stream=stream) as progress:
        progress.advance(50)

    assert "export [#####               ]  25% 50 of 200 " in stream.getvalue()


def test_a_device_is_written_to_and_a_link_stays_one(
    filled: str, tmp_path: Path
) -> None:
    config = config_for(filled, tmp_path)
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    link.symlink_to(file)
    with ThreadPoolExecutor() as pool:
        piped = pool.submit(pipe.read_bytes)
        for target in (pipe, link):
            words = ["--config", str(config), "conflicts", "export", "-o", str(target)]
            assert main(words) == 0

        assert pipe.is_fifo()
        assert link.is_symlink()
        assert piped.result(10) == file.read_bytes() != b""
    pipe.unlink()  # who copies pytest's folder would wait for it
    assert sorted(tmp_path.glob("*.part")) == []
