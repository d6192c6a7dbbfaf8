"""Errors of apply and synchronization workers that are no conflict of 18's kind.

15 to 17 report a unique violation in apply as any other; it is the conflict that 18
gives a name by the operation. Everything else that stops apply or a copy is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.core import messages
from pgconflict.core.conflict import Conflict, Kind, LocalConflict
from pgconflict.core.detail import violated_key
from pgconflict.core.quick_detail import Detail
from pgconflict.core.said import conflict_of

if TYPE_CHECKING:
    from pgconflict.core.said import Said

_SYNC: Final = ("table sync", "sequence sync")
_EXISTS: Final = {"INSERT": "insert_exists", "UPDATE": "update_exists"}


def apply_error(said: Said) -> Conflict:
    """The entry: a conflict, an apply error or an error of synchronization."""
    index = messages.unique_violation(said.message)
    if index is None:
        return _other_error(said, Detail())
    key = violated_key(said.record.detail)
    detail = Detail(
        index_names=(index,),
        local_conflicts=(LocalConflict(index=index, key_text=key),),
        key=f"{index}\1{key or ''}",
    )
    frame = said.frame
    if frame is None or said.user_code or frame.operation not in _EXISTS:
        return _other_error(said, detail)
    return conflict_of(
        said,
        Kind.CONFLICT,
        conflict_type=_EXISTS[frame.operation],
        relation=frame.relation,
        detail=detail,
        operation=frame.operation,
    )


def _other_error(said: Said, detail: Detail) -> Conflict:
    frame = said.frame
    sync = said.kind in _SYNC or (frame is not None and frame.is_sync)
    relation = frame.relation if frame else None
    if relation is None:
        relation = messages.target_relation(said.message)
    bare = None
    if relation is None and sync:
        bare = said.worker.relname if said.worker else None
        bare = bare or messages.copied_relation(said.record.context)
    return conflict_of(
        said,
        Kind.SYNC_ERROR if sync else Kind.APPLY_ERROR,
        conflict_type=None,
        relation=relation or bare,
        bare=bare is not None,
        detail=detail,
        operation=frame.operation if frame else None,
    )
