"""What the job `verdict` knows of each node this round: how far its WAL and log are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.capability import capability
from pgconflict.core.progress import Sample
from pgconflict.daemon.commit_times import publisher_of, slots_of
from pgconflict.errors import (
    NodeNotReadyError,
    NodeUnavailableError,
    PrivilegeMissingError,
)
from pgconflict.server.checks.log import worker_level
from pgconflict.server.row_reader import RowReader
from pgconflict.server.session import NodeSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgconflict.config import Config
    from pgconflict.conflict_log.verdicts import Verdicts
    from pgconflict.daemon.job import Job
    from pgconflict.daemon.tail import Tail

AWAY: Final = (NodeUnavailableError, NodeNotReadyError, PrivilegeMissingError)

FACTS_S: Final = 5.0
"""Between two looks at what changes rarely: subscriptions, settings."""

REOPEN_S: Final = 5.0

LOGGER_S: Final = 1.0
"""How long a line may be on its way from a backend to the log file."""

_applied = msgspec.json.Decoder(dict[int, int]).decode

_SILENT: Final = frozenset({"fatal", "panic"})
"""Levels of log_min_messages that leave conflicts out."""

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

STEP_BACK: Final = timedelta(milliseconds=50)
"""A clock that went so much slower than ours was set back."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One subscription of a node."""

    subid: int
    name: str
    slot_name: str | None
    publisher: str | None


@dataclass(slots=True)
class NodeView:
    """One node that answers."""

    name: str
    session: NodeSession
    reader: RowReader
    tail: Tail | None
    system_identifier: int
    position: int = 0
    """Where its next WAL record will begin."""

    clock: datetime = LONG_AGO
    answered_at: float = 0.0
    offset_s: float = 0.0
    uncertainty_s: float = 0.0
    slots: dict[str, int] = field(default_factory=dict)
    """Slot name to what its subscriber has confirmed."""

    subscriptions: dict[int, Subscribed] = field(default_factory=dict)
    commits_since: datetime | None = None
    """Since when commit times are known."""

    logs_conflicts: bool = False
    """Whether its version and its settings have conflicts logged."""

    time_settings: frozenset[str] = frozenset()
    """Every `datestyle=` and `timezone=` that its apply workers may print with."""

    complete_since: datetime | None = None
    """Since when its log is recorded without a gap, as of `recorded_at`."""

    recorded_at: float = float("-inf")
    """When its log was last recorded to its end, by time.monotonic()."""

    written: Sample | None = None
    """Its WAL's position in this round."""

    applied: dict[int, Sample] = field(default_factory=dict)
    """Subscription to how far it has applied its publisher's WAL in this round."""

    sees_origins: bool = False
    """Whether the role may ask how far subscriptions have applied."""

    up_since: datetime = LONG_AGO
    """The same as before: the server has not crashed in between."""

    vacuuming: frozenset[int | None] = frozenset()
    """Tables on which a vacuum is at work; None: on one that the role may not know."""

    facts_at: float = float("-inf")
    set_back: bool = False
    times_set_back: int = 0
    _shown: tuple[datetime, float] | None = None
    """What its clock showed last, and when that was answered."""

    @property
    def known(self) -> bool:
        """Whether it was asked what it subscribes to."""
        return self.facts_at != float("-inf")

    def recorded_since(self, moment: float) -> bool:
        """Whether all that it had logged by this moment is in the conflict log."""
        return self.recorded_at >= moment + LOGGER_S

    @property
    def latest_clock(self) -> datetime:
        """What its clock shows by now at most."""
        since = time.monotonic() - self.answered_at + 2 * self.uncertainty_s
        return self.clock + timedelta(seconds=since)

    @property
    def offset(self) -> dict[str, float]:
        """Its clock against ours, for the record: seconds ahead, and how sure."""
        return {"ahead_s": self.offset_s, "uncertainty_s": self.uncertainty_s}

    async def look(self) -> None:
        """Ask how far it is and the subscribers have confirmed; which vacuums run.

        Raises:
            NodeUnavailableError: it did not answer.
        """
        asked, wall = time.monotonic(), time.time()
        row = await self.session.row("write_position")
        answered = time.monotonic()
        clock: datetime = row["clock"]
        self._compare_clock(clock, asked, answered)
        self.position, self.clock, self.answered_at = row["position"], clock, answered
        self.up_since = row["up_since"]
        self.uncertainty_s = (answered - asked) / 2
        self.offset_s = clock.timestamp() - (wall + self.uncertainty_s)
        self.slots = {
            slot["name"]: slot["confirmed_lsn"]
            for slot in await self.session.rows("slots")
            if slot["confirmed_lsn"] is not None
        }
        rows = await self.session.rows("vacuums_at_work")
        self.vacuuming = frozenset(row["relid"] for row in rows)

    async def sample(self) -> None:
        """Ask how far its WAL is written and others' is applied, for `Progress`.

        Raises:
            NodeUnavailableError: it did not answer.
        """
        # One statement where the role may see all of it: it is asked all the time.
        all_of_it = self.sees_origins
        asked = time.monotonic()
        row = await self.session.row(
            "node_positions" if all_of_it else "write_position"
        )
        clock, up_since = row["clock"], row["up_since"]
        self._compare_clock(clock, asked, time.monotonic())
        self.written = Sample(
            row["began"], clock, row["position"], up_since, row["oldest_xid"]
        )
        applied = _applied(row["applied"] or b"{}") if all_of_it else {}
        self.applied = {
            subid: Sample(clock, row["ended"], lsn, up_since)
            for subid, lsn in applied.items()
        }

    def _compare_clock(self, clock: datetime, asked: float, answered: float) -> None:
        """See whether the node's clock was set back since an answer before."""
        if self._shown is not None:
            # At least: it was read at some time before the answer came.
            before, at = self._shown
            if clock < before + timedelta(seconds=asked - at) - STEP_BACK:
                self.set_back = True
                self.times_set_back += 1
        self._shown = (clock, answered)


class Nodes:
    """Sessions to all nodes; who is away is left out."""

    def __init__(self, config: Config, tails: Mapping[str, Tail], job: Job) -> None:
        self._config = config
        self._tails = tails
        self._job = job.title
        self._metrics = job.metrics
        self._views: dict[str, NodeView] = {}
        self._tried: dict[str, float] = {}
        self._gaps: dict[str, float] = {}

    @property
    def views(self) -> Mapping[str, NodeView]:
        """The nodes that answered in this round, by name."""
        return self._views

    def by_system(self, system_identifier: int, node: str) -> NodeView | None:
        """Return the node, if it is still the server that logged."""
        view = self._views.get(node)
        if view is None or view.system_identifier != system_identifier:
            return None
        return view

    async def look(self, verdicts: Verdicts) -> list[str]:
        """Ask every node how far it is; those of which nothing earlier counts.

        Raises:
            ConflictLogUnavailableError: the conflict log is away.
        """
        known = set(self._views)
        await self._open()
        anew = [name for name in self._views if name not in known]
        for view in list(self._views.values()):
            try:
                await view.look()
            except AWAY:
                self._lose(view.name)
        anew += [view.name for view in self._views.values() if view.set_back]
        if any(self._late(view) for view in self._views.values()):
            await self._facts()
        for view in self._views.values():
            await self._completeness(verdicts, view)
        return anew

    async def sample(self) -> None:
        """Ask every node for its positions; who does not answer is left out now."""

        async def ask(view: NodeView) -> None:
            view.written, view.applied = None, {}
            # One node's positions are placed against no other's.
            if len(self._config.nodes) > 1:
                with contextlib.suppress(*AWAY):
                    await view.sample()

        await asyncio.gather(*map(ask, list(self._views.values())))

    def close(self) -> None:
        """End all sessions."""
        for view in self._views.values():
            view.session.terminate()

    def _lose(self, name: str) -> None:
        self._views.pop(name).session.terminate()

    @staticmethod
    def _late(view: NodeView) -> bool:
        return time.monotonic() - view.facts_at >= FACTS_S

    async def _open(self) -> None:
        for node in self._config.nodes:
            name = node.name
            if name in self._views:
                continue
            if time.monotonic() - self._tried.get(name, float("-inf")) < REOPEN_S:
                continue
            self._tried[name] = time.monotonic()
            with contextlib.suppress(*AWAY):
                session = await NodeSession.open(
                    node, self._config.limits, job=self._job
                )
                row = await session.row("log_settings")
                self._views[name] = NodeView(
                    name=name,
                    session=session,
                    reader=RowReader(session),
                    tail=self._tails.get(name),
                    system_identifier=row["system_identifier"],
                )

    async def _facts(self) -> None:
        sessions = {name: view.session for name, view in self._views.items()}
        try:
            slots = await slots_of(sessions)
        except AWAY:
            return
        for view in list(self._views.values()):
            try:
                rows = await view.session.rows("subscriptions")
                oldest = await view.session.row("commit_timestamps_since")
                settings = await view.session.row("verdict_settings")
                origins = await view.session.row("may_see_origins")
            except AWAY:
                self._lose(view.name)
                continue
            # The oldest is not known before the first checkpoint.
            times = [oldest["since"], settings["commits_since"]]
            view.commits_since = min(filter(None, times), default=None)
            view.logs_conflicts = _logs_conflicts(view, settings["log_levels"])
            view.time_settings = frozenset(settings["time_settings"])
            view.sees_origins = origins["may"]
            view.subscriptions = {
                row["subid"]: Subscribed(
                    row["subid"],
                    row["name"],
                    row["slot_name"],
                    publisher_of(row["slot_name"], view.name, slots),
                )
                for row in rows
            }
            view.facts_at = time.monotonic()

    async def _completeness(self, verdicts: Verdicts, view: NodeView) -> None:
        writer = view.tail.writer if view.tail is not None else None
        # Both at once: a gap is counted before what follows it counts as recorded.
        view.recorded_at = writer.caught_up_at if writer else float("-inf")
        gaps = self._gaps_of(view.name)
        if view.recorded_at == float("-inf"):
            return
        gap = view.set_back or gaps != self._gaps.get(view.name, 0.0)
        if gap or view.complete_since is None:
            view.complete_since = await verdicts.complete_since(
                view.system_identifier, view.name, view.latest_clock, gap=gap
            )
        self._gaps[view.name] = gaps
        view.set_back = False

    def _gaps_of(self, node: str) -> float:
        """How often a part of the node's log was lost since the daemon started."""
        return sum(
            sample.value
            for metric in self._metrics.log_gaps.collect()
            for sample in metric.samples
            if sample.labels.get("node") == node and sample.name.endswith("_total")
        )


def _logs_conflicts(view: NodeView, levels: Iterable[str]) -> bool:
    if not capability(view.session.major).conflict_message:
        return False
    return _SILENT.isdisjoint(map(worker_level, levels))
