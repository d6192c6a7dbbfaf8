"""Passwords from a passfile, by libpq's rules; other things need a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pgconflict import libpq
from pgconflict.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PASSFILE = r"""# a comment: with: five: colons: in it
db1:5432:app:watcher:plain
db1:*:*:watcher:with\:colon and \\ and: more
localhost:*:app:watcher:socket
/srv/pg:*:*:watcher:folder
*:*:*:other:anybody
"""


@pytest.fixture
def passfile(tmp_path: Path) -> Path:
    path = tmp_path / "pass"
    path.write_text(PASSFILE)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("dsn", "password"),
    [
        ("host=db1 dbname=app user=watcher", "plain"),
        ("host=db1 port=5433 dbname=app user=watcher", r"with:colon and \ and: more"),
        ("dbname=app user=watcher", "socket"),
        ("host=/tmp dbname=app user=watcher", "socket"),
        ("host=/srv/pg dbname=app user=watcher", "folder"),
        ("host=db2 dbname=app user=other", "anybody"),
        ("host=db2 dbname=app user=watcher", None),
        ("host=db1 dbname=app user=watcher password=given", None),
    ],
)
def test_the_first_line_that_matches(
    passfile: Path, dsn: str, password: str | None
) -> None:
    found = libpq.parameters(f"{dsn} passfile={passfile}")
    ((host, port),) = found.addresses

    answer = found.password_for(host, port, None)

    assert answer == ({} if password is None else {"password": password})


def test_another_database_has_another_line(passfile: Path) -> None:
    found = libpq.parameters(f"host=db1 dbname=app user=watcher passfile={passfile}")

    assert found.password_for("db1", 5432, "x") != found.password_for(
        "db1", 5432, "app"
    )


def test_a_file_that_others_may_read_is_ignored(passfile: Path) -> None:
    passfile.chmod(0o640)
    found = libpq.parameters(f"host=db1 dbname=app user=watcher passfile={passfile}")

    assert found.password_for("db1", 5432, None) == {}


def test_hosts_and_ports_pair_up() -> None:
    assert libpq.parameters("host=a,b,c port=1").addresses == (
        ("a", 1),
        ("b", 1),
        ("c", 1),
    )
    assert libpq.parameters("postgresql://a,b:5/x").addresses == (("a", 5432), ("b", 5))
    with pytest.raises(ConfigError, match="2 ports for 3 hosts"):
        libpq.parameters("host=a,b,c port=1,2")


def test_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("PGGSSENCMODE", "require")

    with pytest.raises(ConfigError, match="gssencmode=require"):
        libpq.parameters("dbname=x")
    assert libpq.parameters("gssencmode=disable").addresses == (("elsewhere", 5432),)
