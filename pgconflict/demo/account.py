"""Which account a server runs as, and programs that this account can read.

PostgreSQL refuses to run as root.  Started by root, its servers run as an account
that exists already and owns nothing of value.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# In this order; PostgreSQL's packages make the first, every Unix has the second.
ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An account of the operating system."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the account that servers run as; None if it is the present one.

    Raises:
        LookupError: We are root, and there is none of `ACCOUNTS`.
    """
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise LookupError(f"root can't run PostgreSQL, and there is none of {ACCOUNTS}")


_copies: list[Path] = []


def copies() -> list[Path]:
    """Return the folders of copied programs that are removed when we end."""
    return _copies[:]


def keep_copies() -> None:
    """Leave the copied programs where they are; somebody else removes them."""
    _copies.clear()


def _remove_copies() -> None:
    for top in _copies:
        shutil.rmtree(top, ignore_errors=True)


@cache
def programs_for(bin_dir: Path, account: Account | None) -> Path:
    """Return a folder of the same programs that `account` can run.

    It is `bin_dir` itself where possible.  An installation below a private folder
    (a virtual environment in root's home) is copied to a temporary folder, which
    is removed when this process ends: opening up the way to it would show root's
    files to everybody.

    Raises:
        OSError: The programs run neither there nor as a copy.
    """
    refusal = _refusal(bin_dir, account)
    if refusal is None:
        return bin_dir
    if account is None:
        raise OSError(f"{bin_dir}/postgres does not run: {refusal}")
    top = Path(tempfile.mkdtemp(prefix="pgconflict-programs-"))
    if not _copies:
        atexit.register(_remove_copies)
    _copies.append(top)
    copied_bin_dir = _copied(bin_dir, top)
    for path in [top, *top.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    for program in copied_bin_dir.iterdir():
        program.chmod(0o755)
    if (second := _refusal(copied_bin_dir, account)) is not None:
        raise OSError(
            f"{bin_dir}/postgres does not run as {account.name}: {refusal};"
            f" nor does a copy of it: {second}"
        )
    return copied_bin_dir


def _copied(bin_dir: Path, top: Path) -> Path:
    installation = bin_dir.parent
    package = installation.parent
    copy = top / package.name / installation.name
    shutil.copytree(
        installation,
        copy,
        symlinks=True,
        ignore=shutil.ignore_patterns("*.a", "include", "pgxs", "__pycache__"),
    )
    # A wheel keeps the shared libraries of a package beside it, and the programs
    # find them by the way there.
    libraries = package.parent / f"{package.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, top / libraries.name, symlinks=True)
    return copy / bin_dir.name


def _refusal(bin_dir: Path, account: Account | None) -> str | None:
    """Return why `account` can't run the programs in `bin_dir`; None if it can."""
    for program in ("initdb", "postgres"):
        try:
            done = subprocess.run(
                [str(bin_dir / program), "--version"],
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                cwd="/",
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except OSError as error:
            return str(error)
        if done.returncode != 0:
            return done.stderr.strip()
    return None
