"""What a server's process needs of the operating system, and how it ends."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pgconflict.demo.errors import ClusterError

if TYPE_CHECKING:
    from pgconflict.demo.account import Account

# sockaddr_un.sun_path holds 108 bytes, the last of them NUL.
MAX_SOCKET_PATH = 107

# Below Linux' default ip_local_port_range (32768-60999): a client's outgoing
# connection can't take the port of a server that is down for a moment.
PORTS = range(20000, 32000)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at this moment.

    Raises:
        ClusterError: None was found.
    """
    # SystemRandom: pytest-randomly seeds the common generator, so that two runs at
    # the same time would try the same ports.
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe:
            # As PostgreSQL does: connections in TIME_WAIT don't count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise ClusterError(f"no free port among {PORTS.start}-{PORTS.stop - 1}")


def environment() -> dict[str, str]:
    """Return the environment that PostgreSQL's programs run in."""
    # PG* variables speak to our clients; a server's own libpq (a subscription's
    # connection) would follow them too. LC_*: messages of the programs in English.
    kept = {key: value for key, value in os.environ.items() if key[:2] != "PG"}
    return kept | {"LC_ALL": "C"}


def socket_directory(account: Account | None) -> Path:
    """Create a folder for a server's socket, whose path is short enough."""
    # Not inside the server's folder: that one's name may be longer than a socket's
    # may be. TMPDIR may be long too.
    longest = MAX_SOCKET_PATH - len("/pgconflict-12345678/.s.PGSQL.12345.lock")
    fits = len(os.fsencode(tempfile.gettempdir())) <= longest
    directory = Path(
        tempfile.mkdtemp(prefix="pgconflict-", dir=None if fits else "/tmp")  # noqa: S108
    )
    directory.chmod(0o711)
    if account is not None:
        os.chown(directory, account.uid, account.gid)
    return directory


def watcher(pid: int, signal_name: str = "QUIT") -> subprocess.Popen[bytes]:
    """Start a process that signals the process `pid` when this process is gone.

    Its standard input is a pipe from us, which the kernel closes at our end,
    whatever the end was.  PR_SET_PDEATHSIG would follow the thread that started
    the server, not the process.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", f"read -r _; kill -{signal_name} {pid}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def children(pid: int) -> list[int]:
    """Return the ids of the processes whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The program's name is in parentheses and may hold blanks.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and awaits its parent does not."""
    return started_at(pid) is not None


def started_at(pid: int) -> int | None:
    """Return when the process started, in ticks since boot; None if it has ended.

    With the id it names the process for good: ids come round again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    # A dead process whose new parent has not yet asked for it holds no memory.
    return None if fields[0] == "Z" else int(fields[19])
