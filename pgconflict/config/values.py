"""Kinds of value in the configuration file: durations, sizes, addresses, files.

Each is a function from what YAML gives to what the program uses; ValueError says in
the operator's words what is wrong, and never repeats a connection string.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import ValidationInfo

Quantity = TypeVar("Quantity", timedelta, int)

# Microseconds: timedelta is exact in whole ones.
_DURATION_UNITS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_SIZE_UNITS: Final = {
    "B": 1,
    "kB": 1 << 10,
    "KiB": 1 << 10,
    "MB": 1 << 20,
    "MiB": 1 << 20,
    "GB": 1 << 30,
    "GiB": 1 << 30,
}
_QUANTITY: Final = re.compile(r"([0-9]{1,9})[ ]?([A-Za-z]+)")
_MAX_PORT: Final = 65535

# libpq's keywords that name a file which must be there for a connection.
_FILES_IN_DSN: Final = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl")
_SECRETS_IN_DSN: Final = ("password", "sslpassword", "oauth_client_secret")


class ListenAddress(NamedTuple):
    """Where an HTTP server listens; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def duration(value: object) -> timedelta:
    """Return `250ms`, `30s`, `15m`, `2h`, `90d` or `0` as a timedelta.

    >>> duration("90d"), duration("250 ms"), duration(0)
    (datetime.timedelta(days=90), datetime.timedelta(microseconds=250000), \
datetime.timedelta(0))
    """
    if isinstance(value, timedelta):  # from a program, not from YAML
        return value
    return timedelta(
        microseconds=_quantity(value, _DURATION_UNITS, "a duration such as 250ms or 5s")
    )


def size(value: object) -> int:
    """Return `16MB` in bytes; units are PostgreSQL's, powers of 1024.

    >>> size("16MB"), size("4KiB")
    (16777216, 4096)
    """
    return _quantity(value, _SIZE_UNITS, "a size such as 16MB")


def retention(value: object) -> timedelta | None:
    """Return a duration; None, which keeps for ever, for `0`."""
    kept = between(duration, "0", "36500d")(value)
    return kept or None


def between(
    parse: Callable[[object], Quantity], least: str, most: str
) -> Callable[[object], Quantity]:
    """Return `parse` with bounds, written as one writes them in the file."""

    def bounded(value: object) -> Quantity:
        quantity = parse(value)
        if not parse(least) <= quantity <= parse(most):
            raise ValueError(f"must be from {least} to {most}")
        return quantity

    return bounded


def _quantity(value: object, units: dict[str, int], wanted: str) -> int:
    if value in (0, "0") and value is not False:
        return 0
    if isinstance(value, int | float) and not isinstance(value, bool):
        # pydantic reports a ValueError only; a TypeError would be a defect to it.
        raise ValueError(f"must be {wanted}: {value} has no unit")  # noqa: TRY004
    found = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"must be {wanted}")
    if found[2] not in units:
        raise ValueError(
            f"must be {wanted}: the units are {', '.join(units)}, not {found[2]}"
        )
    return int(found[1]) * units[found[2]]


def listen_address(value: object) -> ListenAddress | None:
    """Return `host:port`, `[ipv6]:port` or, for `off`, None.

    >>> listen_address("[::1]:9745")
    ListenAddress(host='::1', port=9745)
    """
    # YAML 1.1 reads an unquoted off as false.
    if value is None or value is False or value == "off":
        return None
    if isinstance(value, ListenAddress):
        return value
    if isinstance(value, str):
        host, colon, port = value.rpartition(":")
        bare = host.startswith("[") and host.endswith("]")
        if bare:
            host = host[1:-1]
        if (
            colon
            and (bare or (host and ":" not in host))
            and re.fullmatch("[0-9]{1,5}", port)
            and int(port) <= _MAX_PORT
        ):
            return ListenAddress(host, int(port))
    raise ValueError("must be an address such as 127.0.0.1:9745, [::1]:9745, or off")


def node_name(value: str) -> str:
    """Return a name that is good as label, column and command line argument."""
    if re.fullmatch(r"\w[\w.-]{0,62}", value):
        return value
    raise ValueError(
        "must be 1 to 63 letters, digits, '_', '.' or '-', not beginning with '-'"
    )


def readable_file(value: str, info: ValidationInfo) -> Path:
    """Return the path of a file that this user can read.

    A relative path counts from the folder of the configuration file.
    """
    path = (info.context or {}).get("folder", Path()) / value
    _open(path)
    return Path(path)


def directory(value: str, info: ValidationInfo) -> Path:
    """Return the path of a folder; a relative one counts from the file's folder."""
    path = (info.context or {}).get("folder", Path()) / value
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is not a directory")
    return Path(path)


def optional(
    check: Callable[[str, ValidationInfo], Path],
) -> Callable[[object, ValidationInfo], Path | None]:
    """Return the check for a key that may be null."""

    def checked(value: object, info: ValidationInfo) -> Path | None:
        if value is None or isinstance(value, Path):
            return value
        if not isinstance(value, str) or not value:
            raise ValueError("must be a path, or null")
        return check(value, info)

    return checked


def _open(path: Path) -> None:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(f"can't read {path}: {error.strerror}") from None


def connection_string(value: str) -> str:
    """Return a libpq connection string that libpq can parse and that holds no secret.

    The files it names must be readable; libpq ignores a passfile that others may
    read. A `service=` is looked up when the connection is made.
    """
    # Only commands that connect pay for the driver.
    from psycopg import ProgrammingError, conninfo  # noqa: PLC0415

    if not value.strip():
        raise ValueError("is empty: every default of libpq would be a surprise")
    try:
        keywords = conninfo.conninfo_to_dict(value)
    except ProgrammingError as error:
        # libpq repeats parts of the string, and they may be parts of a password.
        reason = re.sub(r'"[^"]*"', '"..."', str(error).strip())
        raise ValueError(f"is no connection string of libpq: {reason}") from None
    for keyword in _SECRETS_IN_DSN:
        if keywords.get(keyword):
            raise ValueError(
                f"holds a {keyword}: put it into a passfile of libpq"
                " (~/.pgpass, or passfile=FILE here) or a service file, mode 0600"
            )
    for keyword in _FILES_IN_DSN:
        path = keywords.get(keyword)
        if path and not (keyword == "sslrootcert" and path == "system"):
            _named_file(keyword, Path(str(path)).expanduser())
    return value


def _named_file(keyword: str, path: Path) -> None:
    try:
        _open(path)
    except ValueError as error:
        raise ValueError(f"{keyword}: {error}") from None
    if keyword == "passfile" and path.stat().st_mode & 0o077:
        raise ValueError(
            f"passfile: libpq ignores {path}, which others may read: chmod 0600 {path}"
        )
