"""What a repair writes where: decided from what each node has, before anything is done.

Source: Replication Origins, and Publication ... origin, 16 to 19.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from pgconflict.core.conflict import Values
from pgconflict.core.verdict import Row, difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ORIGIN: Final = "pgconflict_repair"
"""Replication origin of repairs: subscribers with origin = none do not get them."""

LATEST: Final = "latest"


class Version(msgspec.Struct, frozen=True):
    """One key's row as one node has it, and when it was committed where written."""

    row: Row | None
    committed: datetime | None


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """One statement: INSERT and UPDATE have values, DELETE has none."""

    operation: str
    key: Values
    values: Values

    @property
    def after(self) -> Values:
        """The key that it leaves the row with."""
        return {name: self.values.get(name, value) for name, value in self.key.items()}


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The node whose version stays, and why; without a node, why none is taken."""

    winner: str | None
    reason: str


def choose(
    rows: Sequence[Mapping[str, Version]], columns: Sequence[str], winner: str
) -> Chosen:
    """Return whose version of a row stays.

    Args:
        rows: Node to its version, of each key that the row has or had.
        columns: Those that are replicated.
        winner: A node, or `latest`.
    """
    if winner != LATEST:
        return Chosen(winner=winner, reason="as given")
    times: dict[str, datetime | None] = {}
    for versions in rows:
        for node, version in versions.items():
            known = times.get(node)
            if version.committed is not None:
                at = version.committed
                times[node] = at if known is None else max(known, at)
            elif version.row is not None:
                return Chosen(
                    winner=None,
                    reason=f"when node {node}'s version was committed is not known:"
                    " --winner NODE",
                )
            else:
                times.setdefault(node, None)
    there = {node: at for node, at in times.items() if at is not None}
    if not there:
        return Chosen(winner=None, reason="no node has the row any more")
    latest = max(there, key=lambda node: (there[node], node))
    if len(there) < len(times):
        gone = ", ".join(node for node, at in times.items() if at is None)
        return Chosen(
            winner=latest,
            reason=f"the row is gone on {gone}, and a deletion has no time: it stays",
        )
    others = [
        at
        for node, at in there.items()
        if _differs(rows, columns, node, latest) and at != there[latest]
    ]
    if not others:
        return Chosen(winner=latest, reason="committed at the same time: by name")
    ahead = there[latest] - max(others)
    return Chosen(
        winner=latest, reason=f"committed {ahead.total_seconds():.6f} s later"
    )


def _differs(
    rows: Sequence[Mapping[str, Version]], columns: Sequence[str], one: str, two: str
) -> bool:
    return any(
        difference(columns, versions[one].row, versions[two].row) is not None
        for versions in rows
    )


def writes(
    keys: Sequence[Values],
    rows: Sequence[Mapping[str, Version]],
    columns: Sequence[str],
    node: str,
    winner: str,
) -> list[Write]:
    """Return what makes a node's row the winner's; deletes before what may need room.

    Args:
        keys: That the row has or had, each with its versions in `rows`.
        rows: Node to its version.
        columns: Those that are replicated.
        node: To be written.
        winner: Whose version stays.
    """
    found = []
    for key, versions in zip(keys, rows, strict=True):
        here, there = versions[node].row, versions[winner].row
        differs = difference(columns, here, there)
        if differs is None:
            continue
        if there is None:
            found.append(Write(operation="DELETE", key=key, values={}))
        elif here is None:
            found.append(
                Write(
                    operation="INSERT",
                    key=key,
                    values={name: there.values[name] for name in columns},
                )
            )
        else:
            changed = {name: there.values[name] for name in differs.columns}
            found.append(Write(operation="UPDATE", key=key, values=changed))
    order = ("DELETE", "UPDATE", "INSERT")
    return sorted(found, key=lambda write: order.index(write.operation))


def moved(found: Sequence[Write], rows: Sequence[Row | None]) -> list[Write]:
    """Return what leaves a row's other columns as they are when its key changes.

    Its version under the old key goes and that under the new one comes: done as apply
    does it, by one UPDATE, it keeps what is not replicated.

    Args:
        found: What `writes` says of a node.
        rows: The node's, of each key.

    >>> gone = Write(operation="DELETE", key={"id": "1"}, values={})
    >>> come = Write(operation="INSERT", key={"id": "5"}, values={"id": "5", "v": "x"})
    >>> (one,) = moved([gone, come], [Row({"id": "1", "v": "x"}, "9"), None])
    >>> one.key, one.values, one.after
    ({'id': '1'}, {'id': '5'}, {'id': '5'})
    """
    if [one.operation for one in found] != ["DELETE", "INSERT"]:
        return list(found)
    gone, come = found
    # One of the keys has a row here: the one that goes.
    before: Values = next((row.values for row in rows if row is not None), {})
    values = {n: v for n, v in come.values.items() if n not in before or before[n] != v}
    return [Write(operation="UPDATE", key=gone.key, values=values)]
