"""How fast `scan` reads a quiet log of a gigabyte, beside grep and log analysers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.bench.harness import (
    Line,
    Workshop,
    alternate,
    at_least,
    at_most,
    measurement,
    pgconflict,
    program,
    say,
    seconds,
    without_aim,
)
from tests.bench.logs import FORMATS, PREFIX, write_quiet

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1 << 30
SMALL = 1 << 24  # the analysers take minutes for more
MARKER = "conflict detected on relation"


@measurement
def scan(workshop: Workshop) -> list[Line]:
    """`scan` of 1 GB quiet logs in each format beside `grep -c -F`."""
    lines = []
    for log_format in FORMATS:
        log = workshop.directory / f"quiet.{log_format}"
        say(f"  writing 1 GB of {log_format}")
        write_quiet(log, log_format, SIZE)
        ours = program(*pgconflict("--json", "scan", str(log)))
        grep = program("grep", "-c", "-F", MARKER, str(log))
        speeds = alternate(ours, grep, workshop.rounds).speeds
        lines.append(at_least(f"scan, {log_format}", speeds, "x grep -c -F", 1.5))
        peaks = [_memory(log)]
        write_quiet(log, log_format, 1 << 20)
        lines.append(without_aim(f"memory of it, {log_format}", peaks, "MiB"))
        more = [peaks[0] - _memory(log)]
        lines.append(at_most("more than for 1 MB", more, "MiB", 4))
        log.unlink()
    return [*lines, *_analysers(workshop)]


# Not ru_maxrss: that is the parent's at least, which the process began as.
_MOST = """
import re, sys
from pgconflict.cli.main import main
main(["--json", "scan", sys.argv[1]])
status = open("/proc/self/status").read()
print(re.search("VmHWM:[^0-9]*([0-9]+)", status)[1], file=sys.stderr)
"""


def _memory(log: Path) -> float:
    """Return the most memory that a scan of the log holds, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", _MOST, str(log)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    return int(done.stderr.split()[-1]) / 1024


def _analysers(workshop: Workshop) -> list[Line]:
    """pgBadger and mtail on a small stderr log, if they are on this machine."""
    log = workshop.directory / "small.stderr"
    write_quiet(log, "stderr", SMALL)
    ours = program(*pgconflict("--json", "scan", str(log)))
    commands = {
        "pgbadger": _pgbadger(workshop.directory, log),
        "mtail": _mtail(workshop.directory, log),
    }
    lines = []
    for name, command in commands.items():
        if shutil.which(name) is None:
            lines.append(
                Line(f"scan beside {name}", f"not measured: {name} is not installed")
            )
            continue
        theirs = program(*command)
        ratio = seconds(theirs) / seconds(ours)
        lines.append(without_aim(f"scan of {SMALL >> 20} MB", [ratio], f"x {name}"))
    log.unlink()
    return lines


def _pgbadger(directory: Path, log: Path) -> list[str]:
    # Not /dev/null: as root it takes that away and puts a file there.
    report = str(directory / "pgbadger.txt")
    return ["pgbadger", "-q", "-f", "stderr", "-p", PREFIX, "-o", report, str(log)]


def _mtail(directory: Path, log: Path) -> list[str]:
    programs = directory / "mtail"
    programs.mkdir(exist_ok=True)
    (programs / "conflicts.mtail").write_text(
        "counter conflicts by type\n"
        '/conflict detected on relation "(?P<relation>.*)": '
        "conflict=(?P<type>\\w+)/ {\n"
        "  conflicts[$type]++\n}\n"
    )
    return ["mtail", "--one_shot", "--progs", str(programs), "--logs", str(log)]
