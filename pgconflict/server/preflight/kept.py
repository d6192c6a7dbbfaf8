"""What an upgrade does not keep, and nobody would notice at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.server.preflight.finding import Finding, Item, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.core.capability import Capability
    from pgconflict.server.preflight.facts import ClusterFacts


def judge(old: ClusterFacts, target: Capability) -> Iterator[Finding]:
    """Yield what is gone right after pg_upgrade."""
    if old.settings.get("track_commit_timestamp") == "on":
        yield Finding(
            node=old.node,
            item=Item.COMMIT_TIMESTAMPS,
            severity=Severity.NOTICE,
            seen="track_commit_timestamp = on",
            why="pg_upgrade keeps neither commit times nor origins (seen, 15 to 18 and"
            " 18 to 19): a row that was last changed before it meets no"
            " update_origin_differs or delete_origin_differs, whoever changed it.",
            remedy=("-- let nobody change the same rows on two nodes for some time",),
        )
    yield Finding(
        node=old.node,
        item=Item.STATISTICS,
        severity=Severity.NOTICE,
        seen="statistics of the planner",
        why="Most are taken along; extended ones are not."
        if target.statistics_upgraded
        else "They are not taken along: queries may be slow until ANALYZE is done.",
        remedy=(
            "vacuumdb --all --analyze-in-stages --missing-stats-only"
            if target.statistics_upgraded
            else "vacuumdb --all --analyze-in-stages",
        ),
    )
