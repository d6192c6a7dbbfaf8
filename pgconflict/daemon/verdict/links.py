"""Whether the other node would have logged a concurrent change: the doubts.

A missing entry proves something only where nothing else could have kept it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pgconflict.core.evidence import FROZEN, MORE_NODES
from pgconflict.core.row_filter import OPERATIONS
from pgconflict.core.verdict import Reason
from pgconflict.daemon.verdict.keys import doubts_of_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pgconflict.conflict_log.verdicts import Skipped
    from pgconflict.core.row_entry import RowEntry
    from pgconflict.daemon.verdict.nodes import NodeView, Subscribed
    from pgconflict.server.row_reader import Incoming, Key, Outgoing, RowTable

    AllSkipped = Mapping[tuple[int, int], Sequence[Skipped]]
    """By system and subscription that did not apply them."""

AROUND: Final = timedelta(days=1)
"""How far before a conflict entries about its row are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """One table of the node that logged (`here`) and of its publisher (`there`)."""

    here: NodeView
    there: NodeView
    subscription: Subscribed
    here_table: RowTable | None
    there_table: RowTable | None
    to_here: Outgoing | None
    """What the publisher sends."""

    back: Incoming | None
    """The publisher's own subscription to this node."""

    to_there: Outgoing | None

    @property
    def key(self) -> Key | None:
        """Columns of an index that both have."""
        if self.here_table is None or self.there_table is None:
            return None
        theirs = {frozenset(key) for key in self.there_table.keys}
        for key in self.here_table.keys:
            if frozenset(key) in theirs:
                return key
        return None

    @property
    def others_write(self) -> bool:
        """Whether more than one subscription of either writes to the table."""
        tables = (self.here_table, self.there_table)
        return any(len(table.incoming) > 1 for table in tables if table is not None)

    @property
    def sent_on(self) -> bool:
        """Whether either may be sent what the other has applied itself."""
        here, there = self.here_table, self.there_table
        if here is None or there is None or not there.incoming:
            return False
        ways = [one for one in here.incoming if one.subid == self.subscription.subid]
        return any(one.of_others for one in (*ways, self.back) if one is not None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are equal where replication works, in this table's order."""
        here, there = self.here_table, self.there_table
        if here is None or there is None:
            return ()
        generated = here.generated | there.generated
        sent = [one.columns for one in (self.to_here, self.to_there) if one is not None]
        return tuple(
            name
            for name in here.types
            if name in there.types
            and name not in generated
            and all(name in columns for columns in sent)
        )

    def unreadable(self) -> Reason | None:
        """Return why its rows can't be compared; None if they can."""
        here, there = self.here_table, self.there_table
        if here is None or there is None:
            return Reason.NO_TABLE
        if here.hides_rows or there.hides_rows:
            return Reason.HIDDEN
        if self.key is None:
            return Reason.NO_KEY
        wanted = {*self.columns, *self.key}
        if not (here.readable >= wanted and there.readable >= wanted):
            return Reason.NO_PRIVILEGE
        return None

    def cannot_tell(self, columns: Sequence[str]) -> Reason | None:
        """Return why a difference in these columns may be as it should be."""
        for sent in (self.to_here, self.to_there):
            if sent is not None and not sent.operations.issuperset(OPERATIONS):
                return Reason.NOT_PUBLISHED
        here, there = self.here_table, self.there_table
        if here is not None and there is not None and columns:
            alike = [c for c in columns if here.kind(c) == there.kind(c)]
            if not alike:
                return Reason.TYPES_DIFFER
        return None


async def read_sides(
    here: NodeView, there: NodeView, subscription: Subscribed, table: tuple[str, str]
) -> Sides:
    """Return what both nodes say of a table now.

    Raises:
        NodeUnavailableError, PrivilegeMissingError: one does not say it.
    """
    here_table = await here.reader.subscribed(*table)
    if here_table is not None:
        table = (here_table.schemaname, here_table.relname)
    there_table = await there.reader.table(*table)
    back = to_here = to_there = None
    if here_table is not None and there_table is not None:
        for one in here_table.incoming:
            if one.subid == subscription.subid:
                to_here = await there.reader.published(there_table, one)
        for one in there_table.incoming:
            known = there.subscriptions.get(one.subid)
            if known is not None and known.publisher == here.name:
                back = one
                to_there = await here.reader.published(here_table, one)
    return Sides(
        here=here,
        there=there,
        subscription=subscription,
        here_table=here_table,
        there_table=there_table,
        to_here=to_here,
        back=back,
        to_there=to_there,
    )


def doubts(
    entry: RowEntry, sides: Sides, there_since: datetime, *, vacuumed: bool
) -> list[str]:
    """Return why a missing entry of the publisher's log would prove nothing.

    Args:
        entry: The conflict.
        sides: Read after the publisher had applied what this node had committed.
        there_since: Since when the publisher's table is known to be as it is.
        vacuumed: Whether a vacuum may have been at work on it between the incoming
            change and what this node had written being applied there.
    """
    written = entry.remote_at
    if written is None:
        return ["commit time of the remote transaction not known"]
    return [
        *([MORE_NODES] if sides.others_write else []),
        *_of_replication(entry, sides, written),
        *doubts_of_keys(sides),
        *_of_commits(sides.there, written),
        *_of_table(sides.there_table, written, there_since, vacuumed=vacuumed),
    ]


def doubts_of_placing(entry: RowEntry, sides: Sides) -> list[str]:
    """Return why positions of the two nodes tell nothing of this row."""
    written = entry.remote_at
    if written is None:
        return ["commit time of the remote transaction not known"]
    return _of_replication(entry, sides, written)


def skipped_there(entry: RowEntry, sides: Sides, skipped: AllSkipped) -> list[str]:
    """Return why the publisher may never have applied the version that was met."""
    there = _skipped_by_publisher(sides, skipped)
    times = [one.committed for one in there]
    if times and (entry.local_at in times or None in (*times, entry.local_at)):
        return ["the other node skipped a transaction"]
    return []


def never_applied(entry: RowEntry, sides: Sides, skipped: AllSkipped) -> bool:
    """Whether the publisher skipped that version, after it had written its own."""
    version = (entry.local_xid, entry.local_at)
    if sides.others_write or None in version or entry.remote_at is None:
        return False
    return any(
        (one.remote_xid, one.committed) == version and entry.remote_at < one.skipped_at
        for one in _skipped_by_publisher(sides, skipped)
    )


def skipped_before(entry: RowEntry, sides: Sides, skipped: AllSkipped) -> list[str]:
    """Return why the row may have been on one node only before the change came.

    What a skipped transaction did to it was not logged.
    """
    here = skipped.get((sides.here.system_identifier, entry.subid or 0), ())
    written = entry.remote_at
    times = [one.committed for one in here]
    if any(at is None or written is None or at < written for at in times):
        return ["a transaction of this subscription was skipped"]
    met = entry.local_at
    times = [one.committed for one in _skipped_by_publisher(sides, skipped)]
    if any(at is None or met is None or at <= met for at in times):
        return ["the other node skipped a transaction"]
    return []


def skipped_between(
    entry: RowEntry, sides: Sides, skipped: AllSkipped, came: datetime | None
) -> list[str]:
    """Return why the publisher may have taken the row away after the version came.

    What a further node inserts then is not logged.

    Args:
        entry: The conflict.
        sides: Its two nodes.
        skipped: What each did not apply.
        came: When the version had certainly not come yet, by the publisher's clock.
    """
    written = entry.remote_at
    for one in skipped.get((sides.here.system_identifier, entry.subid or 0), ()):
        at = one.committed
        if at is None or came is None or written is None or came <= at <= written:
            return ["a transaction of this subscription was skipped"]
    return []


def skipped_of_others(sides: Sides, skipped: AllSkipped) -> list[str]:
    """Return why a further node's change may be applied, and not looked for.

    A transaction that was skipped as a whole changed nothing.
    """
    back = None if sides.back is None else sides.back.subid
    there = sides.there.system_identifier
    others = [
        way
        for way, found in skipped.items()
        if any(one.applied for one in found) and way[0] == there and way[1] != back
    ]
    return ["the other node left out changes of a further node"] if others else []


def _skipped_by_publisher(sides: Sides, skipped: AllSkipped) -> Sequence[Skipped]:
    if sides.back is None:
        return ()
    return skipped.get((sides.there.system_identifier, sides.back.subid), ())


def doubts_of_log(entry: RowEntry, there: NodeView) -> list[str]:
    """Return why a missing entry may have been logged and not recorded.

    To be asked when the publisher's log is recorded as far as it must be: a gap may
    be met on the way there.
    """
    return _of_log(there, entry.remote_at)


def _of_log(there: NodeView, written: datetime | None) -> list[str]:
    if not there.logs_conflicts:
        return ["the other node's server logs no conflicts"]
    since = there.complete_since
    if written is not None and since is not None and written > since:
        return []
    return ["the other node's log is not recorded without a gap since"]


def doubts_of_entries(
    view: NodeView,
    table: RowTable | None,
    since: datetime,
    same_since: datetime,
    *,
    vacuumed: bool,
) -> list[str]:
    """Return why a node may have met a further node's change and not recorded it.

    Args:
        view: The node.
        table: As it is there.
        since: By its clock, when that may have begun.
        same_since: Since when the table is known to be as it is.
        vacuumed: Whether a vacuum may have been at work on it since.
    """
    return [
        *_of_log(view, since),
        *_of_commits(view, since),
        *_of_table(table, since, same_since, vacuumed=vacuumed),
    ]


def _of_replication(entry: RowEntry, sides: Sides, written: datetime) -> list[str]:
    found = []
    back, sent = sides.back, sides.to_there
    if back is None or sent is None or not back.ready:
        return ["the table is not replicated in both directions"]
    if sent.filtered or not sent.complete:
        found.append("the other node is not sent every change")
    local_at = entry.local_at
    if sent.since is not None and local_at is not None and local_at <= sent.since:
        found.append("the publication was changed since")
    if back.since is not None and written <= back.since:
        found.append("the other node's subscription was made or synchronised since")
    return found


def _of_commits(there: NodeView, written: datetime) -> list[str]:
    if there.commits_since is None or written < there.commits_since:
        return ["the other node did not track commit timestamps"]
    return []


def _of_table(
    table: RowTable | None, written: datetime, there_since: datetime, *, vacuumed: bool
) -> list[str]:
    if table is None:
        return ["the other node has no such table"]
    found = []
    if table.changed_at is not None:
        changed = there_since if table.changed_by_apply else table.changed_at
        if changed >= written:
            found.append("the other node's table was changed or truncated since")
    if vacuumed:
        found.append(FROZEN)
    return found
