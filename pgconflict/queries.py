"""Finds the SQL files: `query("subscriptions", 18)`.

One statement a file, `$1` parameters. `NAME.sql` serves every server; `NAME.18.sql`
serves 18 and later, until a file with a higher number does.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


def sql_directory() -> Path:
    """Where the SQL files are: inside the wheel, or beside a checkout's package."""
    packaged = _HERE / "sql"
    return packaged if packaged.is_dir() else _HERE.parent / "sql"


@cache
def query(name: str, major: int = 0) -> str:
    """The statement `name` for a server of this major version, without comments.

    Comments are left out so that they do not fill pg_stat_activity.

    Raises:
        LookupError: no such file serves this version.
    """
    folder = sql_directory() / "queries"
    since = {
        int(path.name.split(".")[1]) if path.name.count(".") == 2 else 0: path  # noqa: PLR2004
        for path in folder.glob(f"{name}.*sql")
    }
    usable = [number for number in since if number <= major]
    if not usable:
        raise LookupError(f"no query {name!r} for PostgreSQL {major}")
    lines = since[max(usable)].read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))
