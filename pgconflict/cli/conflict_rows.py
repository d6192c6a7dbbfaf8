"""The rows of a conflict side by side, as far as they could be taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgconflict.conflict_log.stored import StoredConflict
    from pgconflict.core.conflict import Values

DIFFERS = "*"
CUT = " (cut)"


def rows_table(conflict: StoredConflict) -> tuple[list[str], list[tuple[str, ...]]]:
    """Titles and lines: column, each local row, the remote row, the replica identity.

    Marked are columns in which a local row and the remote one differ. A cut value is
    marked and compared with nothing. A column that a row has not is left blank.
    """
    rows = _named_rows(conflict)
    # Keys lead, whatever the order in which JSON keeps columns.
    names: dict[str, None] = dict.fromkeys(_key_columns(conflict))
    for _, values in rows:
        names |= dict.fromkeys(values)
    lines = [
        (
            _mark(name, rows, conflict),
            name,
            *(_shown(name, values, conflict) for _, values in rows),
        )
        for name in names
    ]
    return ["", "column", *(title for title, _ in rows)], lines


def verbatim_rows(conflict: StoredConflict) -> list[tuple[str, str]]:
    """Title and text of the rows that could not be taken apart."""
    texts = [
        *(
            (title, text)
            for local, title in zip(
                conflict.local_conflicts, _local_titles(conflict), strict=True
            )
            for title, text in (
                (title, local.tuple_text if local.tuple is None else None),
                (f"{title}'s key", local.key_text if local.key is None else None),
            )
        ),
        (
            "remote row",
            conflict.remote_tuple_text if conflict.remote_tuple is None else None,
        ),
        (
            "replica identity",
            conflict.replica_identity_text
            if conflict.replica_identity is None
            else None,
        ),
    ]
    return [(title, text) for title, text in texts if text]


def _named_rows(conflict: StoredConflict) -> list[tuple[str, Values]]:
    found: list[tuple[str, Values]] = []
    for local, title in zip(
        conflict.local_conflicts, _local_titles(conflict), strict=True
    ):
        values = local.tuple if local.tuple is not None else local.key
        if values:
            found.append((title, values))
    if conflict.remote_tuple:
        found.append(("remote row", conflict.remote_tuple))
    if conflict.replica_identity:
        found.append(("replica identity", conflict.replica_identity))
    return found


def _key_columns(conflict: StoredConflict) -> list[str]:
    keys = [local.key for local in conflict.local_conflicts]
    if not conflict.replica_identity_full:
        keys.append(conflict.replica_identity)
    return [name for key in keys if key for name in key]


def _local_titles(conflict: StoredConflict) -> list[str]:
    many = len(conflict.local_conflicts) > 1
    return [
        f"local row {number}" if many else "local row"
        for number, _ in enumerate(conflict.local_conflicts, start=1)
    ]


def _mark(name: str, rows: list[tuple[str, Values]], conflict: StoredConflict) -> str:
    remote = conflict.remote_tuple or {}
    if name not in remote or name in conflict.truncated_columns:
        return ""
    locals_ = [values for title, values in rows if title.startswith("local")]
    differs = any(name in each and each[name] != remote[name] for each in locals_)
    return DIFFERS if differs else ""


def _shown(name: str, values: Values, conflict: StoredConflict) -> str:
    if name not in values:
        return ""
    value = values[name]
    if value is None:
        return "null"
    cut = name in conflict.truncated_columns and value.endswith("...")
    return value + CUT if cut else value
