"""The demonstration from its first server to its last word."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pgconflict.demo import conflicts, keep
from pgconflict.demo.account import copies, keep_copies
from pgconflict.demo.cluster import free_port
from pgconflict.demo.errors import DemoError
from pgconflict.demo.metrics import Moved, Samples, moved, parse
from pgconflict.demo.program import Daemon, Program
from pgconflict.demo.programs import bin_dir_of_wheel
from pgconflict.demo.servers import CONFLICT_LOG, NODES, ROLE, Servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgconflict.demo.signals import Signals

MAJOR: Final = 18

_CONFIG: Final = """\
# Made by `pgconflict demo`. Every key there is: config/pgconflict.example.yml.
conflict_log:
  dsn: {conflict_log}
metrics:
  listen: "{listen}"
nodes:
  - name: a
    dsn: {a}
  - name: b
    dsn: {b}
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to see at the end."""

    summary: str
    """What `pgconflict conflicts summary` printed."""
    listed: str
    """What `pgconflict conflicts list` printed; as JSON every conflict."""
    shown_id: int
    shown: str
    """What `pgconflict conflicts show` printed of that one."""
    moved: list[Moved]


class Demonstration:
    """Servers, the daemon and a configuration in a folder of their own.

    Used as a context manager: the end stops and removes everything, unless `keep`
    was called.
    """

    def __init__(self, signals: Signals, say: Callable[[str], None]) -> None:
        bin_dir = bin_dir_of_wheel(MAJOR)
        if bin_dir is None:
            raise DemoError(
                f"the demonstration needs an embedded PostgreSQL {MAJOR}",
                hint="pip install 'pgconflict[demo]'",
            )
        self.bin_dir = bin_dir
        self._signals = signals
        self._tell = say
        self._begin = time.monotonic()
        self._kept = False
        self._servers: Servers | None = None
        self._daemon: Daemon | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="pgconflict-demo-"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._kept:
            self._remove()

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.directory / "pgconflict.yml"

    @property
    def daemon_log(self) -> Path:
        """What the daemon says."""
        return self.directory / "daemon.log"

    @property
    def servers(self) -> Servers:
        """The three servers; there after `start`."""
        if self._servers is None:
            raise DemoError("the servers have not been started")
        return self._servers

    @property
    def address(self) -> str:
        """Where the daemon answers."""
        if self._daemon is None:
            raise DemoError("the daemon has not been started")
        return self._daemon.address

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return time.monotonic() - self._begin

    def start(self) -> None:
        """Start the servers and the daemon; returns when every node is read."""
        # The account that servers run as must get to its own folders in there.
        self.directory.chmod(0o711)
        self._servers = Servers(self.bin_dir, self.directory)
        self._note()
        self._say("starting PostgreSQL: nodes a and b, and the conflict log's server")
        self._servers.start(self._signals)
        self._note()
        self._say("replicating both ways (origin = none)")
        self._servers.replicate(self._signals)
        listen = f"127.0.0.1:{free_port()}"
        self._write_config(listen)
        program = Program(self.config)
        self._say("pgconflict init, and the daemon: pgconflict run")
        self._command(program, "init")
        self._daemon = Daemon(program, listen=listen, output=self.daemon_log)
        self._note()
        self._daemon.wait_until_ready(self._signals)

    def show(self, *, json: bool) -> Shown:
        """Provoke every type, and ask the commands and the metrics about it."""
        if self._daemon is None:
            raise DemoError("the daemon has not been started")
        # What is written before both are followed proves nothing by what is not logged.
        self._signals.wait_for(
            lambda: len(self.servers.execute(CONFLICT_LOG, _FOLLOWED)) == len(NODES),
            "both server logs are followed",
        )
        before = parse(self._daemon.metrics())
        conflicts.provoke(self.servers, self._signals, self._say)
        self._say("subscriptions enabled: both nodes apply what the other did")
        conflicts.free(self.servers, self._signals, self._say)
        self._say("every conflict is recorded")
        after = self._settled(self._daemon)
        self._say("every row of a conflict was looked at on both nodes")
        (shown_id,) = self.servers.execute(CONFLICT_LOG, _BEST_TO_SHOW)[0]
        program = Program(self.config)
        flag = ("--json",) if json else ()
        # An event of several conflicts is one line of a list.
        listing = ("export", "--format", "jsonl") if json else ("list",)
        return Shown(
            summary=self._command(program, "conflicts", "summary", *flag),
            listed=self._command(program, "conflicts", *listing),
            shown_id=shown_id,
            shown=self._command(program, "conflicts", "show", str(shown_id), *flag),
            moved=moved(before, after),
        )

    def keep(self) -> None:
        """Let everything run on after this process."""
        self._note()
        keep_copies()
        self.servers.detach()
        if self._daemon is not None:
            self._daemon.detach()
        self._kept = True

    def _settled(self, daemon: Daemon) -> Samples:
        """Return the metrics once they have caught up, and every effect is known.

        A worker reports what it counted about a second after it logged it.
        """
        self._signals.wait_for(
            lambda: not self.servers.execute(CONFLICT_LOG, _NOT_LOOKED_AT),
            "every conflict has its effect",
            timeout=30,
        )
        recorded = int(
            self.servers.execute(
                CONFLICT_LOG, "select sum(attempts) from pgconflict.conflict_log"
            )[0][0]
        )

        def settled() -> Samples | None:
            samples = parse(daemon.metrics())
            logged, counted, stalled = (
                sum(value for (name, _), value in samples.items() if name == wanted)
                for wanted in (
                    "pgconflict_conflict_attempts_total",
                    "pgconflict_server_conflicts_total",
                    "pgconflict_stalled",
                )
            )
            return (
                samples if (recorded, 0) == (logged, stalled) == (counted, 0) else None
            )

        return self._signals.wait_for(
            settled, "the metrics agree with the conflict log", timeout=15
        )

    def _write_config(self, listen: str) -> None:
        quoted = {
            name: "'" + self.servers.dsn(name, user=ROLE).replace("'", "''") + "'"
            for name in (*NODES, CONFLICT_LOG)
        }
        text = _CONFIG.format(
            conflict_log=quoted[CONFLICT_LOG],
            listen=listen,
            a=quoted["a"],
            b=quoted["b"],
        )
        self.config.write_text(text)

    def _command(self, program: Program, *words: str) -> str:
        try:
            return program.call(*words)
        finally:
            # A Ctrl-C in the terminal ended the command too: that is why it failed.
            self._signals.check()

    def _say(self, text: str) -> None:
        self._tell(f"{self.seconds:5.1f} s  {text}")

    def _note(self) -> None:
        """Write down what there is, for `pgconflict demo --stop`."""
        processes = [] if self._daemon is None else [(self._daemon.pid, "SIGTERM")]
        directories = copies()
        for cluster in self.servers.clusters.values():
            directories.append(cluster.socket_directory)
            if cluster.pid is not None:
                processes.append((cluster.pid, "SIGQUIT"))
        keep.note(self.directory, processes, directories)

    def _remove(self) -> None:
        try:
            if self._daemon is not None:
                self._daemon.stop()
        finally:
            try:
                if self._servers is not None:
                    self._servers.destroy()
            finally:
                shutil.rmtree(self.directory, ignore_errors=True)


_NOT_LOOKED_AT: Final = """
select from pgconflict.conflict_log
 where effect is null or effect = 'apply_stopped' limit 1
"""
_FOLLOWED: Final = "select from pgconflict.log_complete"
_BEST_TO_SHOW: Final = """
select conflict_id from pgconflict.conflict_log
 order by effect = 'diverged' desc, conflict_type = 'update_origin_differs' desc,
          node desc, conflict_id
 limit 1
"""
