"""`pgconflict conflicts ack`: a person has seen these, and says what came of it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from psycopg import sql

from pgconflict.cli import output
from pgconflict.cli.conflict_access import opened, utc
from pgconflict.conflict_log.filters import UNFINISHED
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pgconflict.conflict_log.stored import StoredConflict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take conflicts, who and why."""
    parser.add_argument("ids", nargs="+", type=int, metavar="ID", help="conflicts")
    parser.add_argument(
        "--by", metavar="NAME", help="who; default: who is logged in on this machine"
    )
    parser.add_argument("--note", metavar="TEXT", help="why, or what was done")
    parser.add_argument(
        "--again",
        action="store_true",
        help="put this in place of an earlier acknowledgement",
    )


def run(arguments: argparse.Namespace) -> int:
    """Acknowledge and say so; nothing is changed if one of them is unknown."""
    ids = list(dict.fromkeys(arguments.ids))
    by = arguments.by or getpass.getuser()
    grant = sql.SQL(
        "GRANT UPDATE (acknowledged_at, acknowledged_by, note)"
        " ON pgconflict.conflict_log TO {};"
    )
    with opened(arguments, write=True, grant=grant) as reader:
        with reader.connection.transaction():
            before = reader.by_id(ids)
            if unknown := [str(each) for each in ids if each not in before]:
                raise UsageError(
                    f"no conflict {', '.join(unknown)}; nothing was changed",
                    hint="`pgconflict conflicts list` shows their numbers",
                )
            changed = reader.acknowledge(
                list(before.values()), by=by, note=arguments.note, again=arguments.again
            )
            after = reader.by_id(ids)
            # An attempt read out of order moves a row to where it was first logged.
            moved = [one for one in after.values() if one.acknowledged_at is None]
            changed |= reader.acknowledge(
                moved, by=by, note=arguments.note, again=False
            )
            if moved:
                after = reader.by_id(ids)
        conflicts = [after[each] for each in ids]
        _tell(conflicts, changed, json=arguments.json)
    return 0


def _tell(
    conflicts: Sequence[StoredConflict], changed: set[int], *, json: bool
) -> None:
    for conflict in conflicts:
        done = conflict.conflict_id in changed
        if json:
            output.print_json_line(
                {
                    "conflict_id": conflict.conflict_id,
                    "changed": done,
                    "acknowledged_at": conflict.acknowledged_at,
                    "acknowledged_by": conflict.acknowledged_by,
                    "note": conflict.note,
                    "status": conflict.status,
                }
            )
        else:
            print(_line(conflict, done=done))


def _line(conflict: StoredConflict, *, done: bool) -> str:
    text = f"conflict {conflict.conflict_id} ({conflict.type}, {conflict.table}): "
    by = output.visible(conflict.acknowledged_by or "")
    if done:
        text += f"acknowledged by {by}"
    else:
        text += f"left as it was, acknowledged by {by}"
        text += f" at {utc(conflict.acknowledged_at)} UTC; --again replaces it"
    if conflict.status in UNFINISHED:
        text += f"; still {conflict.status}: apply waits for it"
    return output.visible(text)
