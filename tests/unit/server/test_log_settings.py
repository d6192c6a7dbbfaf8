"""Which files a server's settings mean."""

from __future__ import annotations

from typing import Any

import pytest

from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError
from pgconflict.server.log_settings import FileNames, LogSettings

ROW: dict[str, Any] = {
    "system_identifier": 7,
    "database": "app",
    "server_version": "18.4",
    "logging_collector": "on",
    "log_destination": "stderr, csvlog,JSONLOG",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "data_directory": "/srv/pg/",
    "log_line_prefix": None,
    "log_timezone": "UTC",
    "log_error_verbosity": "default",
    "lc_messages": "de_DE.UTF-8",
    "more_lc_messages": ["C", "pt_BR"],
    "worker_encodings": [],
    "cluster_name": "",
}


def settings(**more: Any) -> LogSettings:
    return LogSettings.from_row("a", ROW | more)  # type: ignore[arg-type]


def test_formats_come_best_first() -> None:
    assert settings().formats == ("jsonlog", "csvlog", "stderr")
    assert settings(log_destination="syslog,stderr").formats == ("stderr",)


def test_directories_are_relative_to_the_data() -> None:
    assert settings().absolute_directory == "/srv/pg/log"
    assert settings(log_directory="/var/log").absolute_directory == "/var/log"


def test_languages_of_the_server_and_of_its_roles() -> None:
    assert settings().languages == frozenset({"de", "de_DE", "pt", "pt_BR"})


def test_the_language_of_the_environment_may_be_any() -> None:
    assert settings(lc_messages="").languages is None


def test_what_is_hidden_is_named() -> None:
    with pytest.raises(PrivilegeMissingError, match="log_directory, log_filename"):
        settings(log_directory=None, log_filename=None)


def test_a_server_without_a_log_file_is_refused_with_the_remedy() -> None:
    with pytest.raises(NodeNotReadyError) as refused:
        settings(logging_collector="off").require_files("a")
    assert "logging_collector = on" in str(refused.value.hint)
    with pytest.raises(NodeNotReadyError) as refused:
        settings(log_destination="syslog").require_files("a")
    assert "jsonlog" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("pattern", "log_format", "mine", "others"),
    [
        (
            "postgresql-%Y-%m-%d_%H%M%S.log",
            "jsonlog",
            ["postgresql-2026-11-20_235959.json"],
            [
                "postgresql-2026-11-20_235959.log",
                "postgresql-2026-11-20_235959.json.gz",
            ],
        ),
        ("postgresql-%a.log", "stderr", ["postgresql-Mon.log"], ["postgresql-Mon.csv"]),
        ("pg.log", "csvlog", ["pg.csv"], ["pg.log", "pg.json", "pg.csv.1"]),
        ("pg", "csvlog", ["pg.csv"], ["pg"]),
        ("pg", "stderr", ["pg"], ["pg.csv", "pg.json"]),
        ("x%Q", "stderr", ["x1", "xy.z"], ["x", "x1.csv", "xy.json"]),
        (".log", "jsonlog", [".log.json"], [".json"]),
        ("a%%b+%j.log", "jsonlog", ["a%b+324.json"], ["a%%b+324.json", "ab+324.json"]),
        ("%s", "jsonlog", ["1795202643.json"], ["x.json"]),
    ],
)
def test_names_of_files(
    pattern: str, log_format: str, mine: list[str], others: list[str]
) -> None:
    names = FileNames.of(pattern, log_format)

    assert [name for name in mine + others if names.match(name)] == mine


def test_the_encoding_is_known_where_all_workers_write_one() -> None:
    assert settings(worker_encodings=["LATIN1"]).codec == "iso8859-1"
    assert settings(worker_encodings=["UTF8"]).codec is None
    assert settings(worker_encodings=["LATIN1", "UTF8"]).codec is None
    assert settings(worker_encodings=["SQL_ASCII"]).codec is None
