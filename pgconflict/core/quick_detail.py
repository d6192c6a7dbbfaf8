"""DETAIL of ordinary conflicts taken apart by fixed words: `detail` without its care.

What is not exactly of a known form, in English, with plain names and no value that
holds the words between rows, is left to `detail`; what is gets the same answer there.
Source: errdetail_apply_conflict(), conflict.c, 18 and 19.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pgconflict.core.conflict import LocalConflict, OriginKind
from pgconflict.core.log_time import iso_time

_CHANGED: Final = re.compile(
    r'(?:Key already exists in unique index "([^"\n]{1,63})", modified'
    r"|(?:Updat|Delet)ing the row that was modified)"
    r'(?: (locally)| by (?:a different )?origin "([^"\n]{1,512})"'
    r"| (by a non-existent origin))?"
    r" in transaction ([0-9]{1,10})"
    r"(?: at ([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(?:\.[0-9]{1,6})?[+-][0-9]{2}(?::[0-9]{2})?))?"
    r"(\.\n|: )"
)
_UPDATE_18: Final = "Could not find the row to be updated.\nRemote row ("
_UPDATE_19: Final = "Could not find the row to be updated: remote row ("
_DELETE_18: Final = "Could not find the row to be deleted.\nReplica identity ("
_DELETE_19: Final = "Could not find the row to be deleted: replica identity ("
_NOT_APPLIED: Final = "Could not apply remote change: remote row ("
_NEXT_KEY: Final = '\nKey already exists in unique index "'


class Detail(NamedTuple):
    """What DETAIL says; `key` is what tells two conflicts of one transaction apart."""

    index_names: tuple[str, ...] = ()
    replica_identity_full: bool | None = None
    replica_identity_text: str | None = None
    remote_tuple_text: str | None = None
    local_conflicts: tuple[LocalConflict, ...] = ()
    key: str = ""


Parts = tuple[
    tuple[str, ...], bool | None, str | None, str | None, tuple[LocalConflict, ...], str
]
"""The fields of Detail: a named tuple takes as long to make as all the rest here."""


class _Words(NamedTuple):
    """What introduces the parts in one wording, first and after another part."""

    key: str
    first_local: str
    local: str
    remote: str
    identity: str


_18: Final = _Words(
    "Key (",
    "Existing local row (",
    "); existing local row (",
    "); remote row (",
    "); replica identity ",
)
_19: Final = _Words(
    "key (",
    "local row (",
    "), local row (",
    "), remote row (",
    "), replica identity ",
)


def quick_detail(detail: str, conflict_type: str, operation: str) -> Parts | None:
    """The parts of DETAIL, or None if it takes more to be certain of them."""
    if not detail.endswith(")."):
        return None
    read = _READERS.get(conflict_type)
    return None if read is None else read(detail, operation)


def _update_missing(detail: str, _: str) -> Parts | None:
    if detail.startswith(_UPDATE_18):
        begin, identity = len(_UPDATE_18) - 1, _18.identity
    elif detail.startswith(_UPDATE_19):
        begin, identity = len(_UPDATE_19) - 1, _19.identity
    else:
        return None
    at = detail.find(identity, begin)
    after = at + len(identity)
    if at < 0 or detail[after] != "(" or detail.find(identity, after) >= 0:
        return None
    key = detail[after:-1]
    return ((), False, key, detail[begin : at + 1], (), key)


def _delete_missing(detail: str, _: str) -> Parts | None:
    if detail.startswith(_DELETE_18):
        key = detail[len(_DELETE_18) - 1 : -1]
    elif detail.startswith(_DELETE_19):
        key = detail[len(_DELETE_19) - 1 : -1]
    else:
        return None
    return ((), False, key, None, (), key)


def _update_differs(detail: str, _: str) -> Parts | None:
    match = _CHANGED.match(detail)
    if match is None or match[1] is not None:
        return None
    words = _18 if match[7] == ".\n" else _19
    begin = match.end()
    if not detail.startswith(words.first_local, begin):
        return None
    begin += len(words.first_local) - 1
    remote = _once(detail, words.remote, begin)
    identity = _once(detail, words.identity, remote)
    after = identity + len(words.identity)
    if remote < 0 or identity < 0 or detail[after] != "(":
        return None
    key = detail[after:-1]
    row = detail[remote + len(words.remote) - 1 : identity + 1]
    local = _local(match, None, detail[begin : remote + 1])
    return ((), False, key, row, (local,), key)


def _delete_differs(detail: str, _: str) -> Parts | None:
    match = _CHANGED.match(detail)
    if match is None or match[1] is not None:
        return None
    words = _18 if match[7] == ".\n" else _19
    begin = match.end()
    if not detail.startswith(words.first_local, begin):
        return None
    begin += len(words.first_local) - 1
    identity = _once(detail, words.identity, begin)
    after = identity + len(words.identity)
    if identity < 0 or detail[after] != "(":
        return None
    key = detail[after:-1]
    local = _local(match, None, detail[begin : identity + 1])
    return ((), False, key, None, (local,), key)


def _exists(detail: str, operation: str) -> Parts | None:
    if detail.startswith(_NOT_APPLIED):
        return _exists_19(detail, operation)
    match = _CHANGED.match(detail)
    if match is None or match[1] is None or not detail.startswith(_18.key, match.end()):
        return None
    begin = match.end() + len(_18.key) - 1
    local = _once(detail, _18.local, begin)
    remote = _once(detail, _18.remote, local)
    if local < 0 or remote < 0:
        return None
    end, text = len(detail) - 1, None
    if operation == "UPDATE":
        end = _once(detail, _18.identity, remote)
        after = end + len(_18.identity)
        if end < 0 or detail[after] != "(":
            return None
        text = detail[after:-1]
        end += 1
    key = detail[begin : local + 1]
    row = detail[local + len(_18.local) - 1 : remote + 1]
    remote_row = detail[remote + len(_18.remote) - 1 : end]
    return _existing(match, key, row, remote_row, text)


def _exists_19(detail: str, operation: str) -> Parts | None:
    begin = len(_NOT_APPLIED) - 1
    line = _once(detail, _NEXT_KEY, begin)
    match = _CHANGED.match(detail, line + 1) if line >= 0 else None
    if match is None or match[7] != ": " or detail[line - 2 : line] != ").":
        return None
    end, text = line - 1, None
    if operation == "UPDATE":
        end = detail.find(_19.identity, begin, line)
        after = end + len(_19.identity)
        if end < 0 or detail[after] != "(" or detail.find(_19.identity, after) >= 0:
            return None
        text = detail[after : line - 1]
        end += 1
    remote_row = detail[begin:end]
    begin = match.end()
    if not detail.startswith(_19.key, begin):
        return None
    begin += len(_19.key) - 1
    local = detail.find(_19.local, begin)
    if local < 0 or detail.find(_19.local, local + 1) >= 0:
        return None
    row = detail[local + len(_19.local) - 1 : -1]
    return _existing(match, detail[begin : local + 1], row, remote_row, text)


def _existing(
    match: re.Match[str], key: str, row: str, remote_row: str, identity: str | None
) -> Parts:
    index = match[1]
    return (
        (index,),
        None if identity is None else False,
        identity,
        remote_row,
        (_local(match, key, row),),
        f"{index}\1{key}",
    )


def _once(text: str, words: str, begin: int) -> int:
    """Where the words stand after `begin`, -1 if nowhere or twice in the text."""
    if begin < 0:
        return -1
    at = text.find(words)
    return at if at >= begin and text.find(words, at + 1) < 0 else -1


def _local(match: re.Match[str], key: str | None, row: str) -> LocalConflict:
    kind: OriginKind | None = None
    if match[2] is not None:
        kind = "local"
    elif match[3] is not None:
        kind = "origin"
    elif match[4] is not None:
        kind = "gone"
    return LocalConflict(
        xid=int(match[5]),
        commit_ts=iso_time(match[6]) if match[6] else None,
        origin=match[3],
        origin_kind=kind,
        index=match[1],
        key_text=key,
        tuple_text=row,
    )


_READERS: Final = {
    "update_missing": _update_missing,
    "delete_missing": _delete_missing,
    "update_origin_differs": _update_differs,
    "delete_origin_differs": _delete_differs,
    "insert_exists": _exists,
    "update_exists": _exists,
}
