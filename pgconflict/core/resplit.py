"""A conflict's DETAIL once more, with the table's columns known.

A value can hold the words that stand between rows. The log alone then leaves more
than one reading; often only one of them makes rows and keys of this table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.conflict import Conflict, ConflictType, Kind
from pgconflict.core.detail import careful_detail, is_complete
from pgconflict.core.encodings import UTF_8
from pgconflict.core.quick_detail import Detail
from pgconflict.core.row_text import can_be_key, can_be_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.core.row_text import Column

_TYPES = frozenset(ConflictType)


def resplit(
    conflict: Conflict, columns: Sequence[Column], codec: str = UTF_8
) -> Conflict:
    """The conflict with the texts that DETAIL and the table's columns make certain.

    `columns` and `codec` as for `split_values`: the local table's as they were then.
    What was certain already stays as it is, and the identity too.
    """
    if conflict.kind is not Kind.CONFLICT or conflict.conflict_type not in _TYPES:
        return conflict
    if conflict.detail is None or is_complete(_known(conflict), conflict.conflict_type):
        return conflict

    def fits(kind: str, text: str) -> bool:
        is_key = kind in ("key", "identity")
        if is_key:
            return can_be_key(text, columns)
        return can_be_row(text, columns, codec)

    found = careful_detail(
        conflict.detail, conflict.conflict_type, conflict.operation or "", fits
    )
    return msgspec.structs.replace(
        conflict,
        index_names=found.index_names or conflict.index_names,
        replica_identity_full=found.replica_identity_full,
        replica_identity_text=found.replica_identity_text,
        remote_tuple_text=found.remote_tuple_text,
        local_conflicts=found.local_conflicts or conflict.local_conflicts,
    )


def _known(conflict: Conflict) -> Detail:
    return Detail(
        conflict.index_names,
        conflict.replica_identity_full,
        conflict.replica_identity_text,
        conflict.remote_tuple_text,
        conflict.local_conflicts,
    )
