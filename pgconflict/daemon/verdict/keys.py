"""Whether the key of a row can be trusted as the servers logged it.

What a server logs of a key is text under the settings of its apply worker. Entries of
two nodes are found to be about one row by that text, and rows are read by it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pgconflict.server.row_reader import ANY_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.row_entry import KeyValues
    from pgconflict.daemon.verdict.links import Sides
    from pgconflict.daemon.verdict.nodes import NodeView
    from pgconflict.server.row_reader import RowTable

_TIMES: Final = frozenset({"date", "zone"})

_LOSSY: Final = "lossy"
"""What is printed may not be the value: rounded, or by a local setting."""

_ISO: Final = re.compile(r"\d{4,}-\d\d-\d\d|-?infinity$")


def doubts_of_keys(sides: Sides) -> list[str]:
    """Return why the two nodes may log one row in different words."""
    here, there, key = sides.here_table, sides.there_table, sides.key
    if here is None or there is None or key is None:
        return []
    if here.vacuums is None or there.vacuums is None:
        # Partitioned: each node logs the name of the partition that it has the row in.
        return ["the nodes may log one row as of tables with other names"]
    if here.keys[0] != there.keys[0]:
        return ["the nodes' keys have other columns, or another order of them"]
    nodes = (sides.here, sides.there)
    if all(_alike(column, here, there, nodes) for column in key):
        return []
    return ["the nodes may print equal keys differently"]


def readable(sides: Sides, key: KeyValues) -> bool:
    """Whether rows can be read by this text: `03/02/2026` is another day elsewhere."""
    table, columns = sides.here_table, sides.key
    if table is None or columns is None:
        return False
    return all(
        _ISO.match(value) is not None
        for column, value in zip(columns, key, strict=True)
        if table.prints[column] in _TIMES
    )


def exact(sides: Sides) -> bool:
    """Whether a key by which no row is found tells that there is none."""
    table, columns = sides.here_table, sides.key
    if table is None or columns is None:
        return False
    return all(table.prints[column] != _LOSSY for column in columns)


def _alike(
    column: str, here: RowTable, there: RowTable, nodes: Sequence[NodeView]
) -> bool:
    kind = here.prints[column]
    if kind != there.prints[column]:
        return False
    if kind in _TIMES:
        return _print_times_alike(nodes, zones=kind == "zone")
    same = here.kind(column) == there.kind(column)
    return same and kind in {*ANY_SIZE, "type"}


def _print_times_alike(nodes: Sequence[NodeView], *, zones: bool) -> bool:
    settings = {one for node in nodes for one in node.time_settings}
    styles = [one for one in settings if one.startswith("datestyle=")]
    found = [one for one in settings if one.startswith("timezone=")]
    iso = all(one.lower().startswith("datestyle=iso") for one in styles)
    return bool(styles) and iso and (not zones or len(found) == 1)
