"""DETAIL of a conflict taken apart, where only one way of taking it apart exists.

Row values stand in DETAIL unquoted, so a value can imitate the words between rows. A
part is given only if the words on both its sides occur exactly once; otherwise it is
None, and DETAIL itself stays the record.
Source: errdetail_apply_conflict(), conflict.c, 18 and 19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pgconflict.core.conflict import LocalConflict
from pgconflict.core.detail_parts import certain_parts
from pgconflict.core.log_time import iso_time
from pgconflict.core.quick_detail import Detail, quick_detail
from pgconflict.core.translation import english_key, wordings
from pgconflict.core.wording import Sentence, Wording, english

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY: Final = "Key "
_EXISTS: Final = " already exists."
_MULTIPLE: Final = "multiple_unique_conflicts"
_EXISTS_TYPES: Final = frozenset({"insert_exists", "update_exists", _MULTIPLE})
_LOGGED_PARTS: Final = {
    "update_origin_differs": ("local", "remote", "identity"),
    "delete_origin_differs": ("local", "identity"),
    "update_missing": ("remote", "identity"),
    "delete_missing": ("identity",),
    "update_deleted": ("remote", "identity"),
}


class _Change(NamedTuple):
    """Who changed the local row, and what follows in the text."""

    index_name: str | None
    xid: int | None
    time: str | None
    origin: str | None
    sentence: Sentence
    end: int

    def local(
        self, key_text: str | None = None, tuple_text: str | None = None
    ) -> LocalConflict:
        return LocalConflict(
            xid=self.xid,
            commit_ts=iso_time(self.time) if self.time else None,
            origin=self.origin,
            origin_kind=self.sentence.origin_kind,
            index=self.index_name,
            key_text=key_text,
            tuple_text=tuple_text,
        )


class _Block(NamedTuple):
    """What is said of one violated index."""

    change: _Change
    values: str
    parts: dict[str, str]


def split_detail(
    detail: str | None,
    conflict_type: str,
    operation: str,
) -> Detail:
    """The parts of a conflict's DETAIL.

    `operation` is the remote message type. A part is None if the server did not show
    it or if more than one reading is possible. `key` is made of what the server shows
    of keys: the replica identity, or each index with its key; where those cannot be
    told from other values, of all values. It is the same at every attempt, as long
    as the local row stays what it is.
    """
    if not detail:
        return Detail()
    quick = quick_detail(detail, conflict_type, operation)
    if quick is not None:
        return Detail(*quick)
    return careful_detail(detail, conflict_type, operation)


def careful_detail(detail: str, conflict_type: str, operation: str) -> Detail:
    """The parts of any DETAIL, in any language, whatever its values look like.

    A catalog can have some words only, so the wording that tells most is taken.
    """
    best = Detail(key=detail)
    for wording in _wordings():
        if conflict_type in _EXISTS_TYPES:
            found = _split_exists(detail, conflict_type, operation, wording)
        elif conflict_type in _LOGGED_PARTS:
            found = _split_logged(detail, conflict_type, wording)
        else:
            break
        if found is not None and _certain(found) > _certain(best):
            best = found
        if _is_complete(best, conflict_type):
            break
    return best


def _is_complete(detail: Detail, conflict_type: str) -> bool:
    parts = _LOGGED_PARTS.get(conflict_type, ("remote", "local"))
    return all(
        {
            "identity": detail.replica_identity_text is not None,
            "remote": detail.remote_tuple_text is not None,
            "local": all(each.tuple_text is not None for each in detail.local_conflicts)
            and len(detail.local_conflicts) > 0,
        }[part]
        for part in parts
    )


def _certain(detail: Detail) -> int:
    """How much of it is told."""
    rows = (detail.replica_identity_text, detail.remote_tuple_text)
    locals_ = detail.local_conflicts
    keys = [text for each in locals_ for text in (each.key_text, each.tuple_text)]
    return len(locals_) + sum(text is not None for text in (*rows, *keys))


def _wordings() -> Iterator[Wording]:
    yield english()
    yield from wordings()


def _split_logged(detail: str, conflict_type: str, wording: Wording) -> Detail | None:
    """update_missing and the other types that apply goes on after."""
    differs = conflict_type.endswith("origin_differs")
    head = _head(detail, 0, wording.modified if differs else wording.missing)
    if head is None:
        return None
    end, deletion = len(detail), None
    if conflict_type == "update_deleted":
        end, deletion = _deletion(detail, head.end, wording)
    names = _LOGGED_PARTS[conflict_type]
    values, parts = _values(detail, head, end, (names,), wording)
    identity, full = _identity(parts)
    local: tuple[LocalConflict, ...] = ()
    if differs:
        local = (head.local(tuple_text=parts.get("local")),)
    elif deletion is not None and deletion.xid is not None:
        local = (deletion.local(),)
    return Detail(
        replica_identity_full=full,
        replica_identity_text=identity,
        remote_tuple_text=parts.get("remote"),
        local_conflicts=local,
        key=values if identity is None else identity,
    )


def _deletion(detail: str, begin: int, wording: Wording) -> tuple[int, _Change | None]:
    """Where the last line begins, and who deleted the row as it says."""
    found: list[tuple[int, _Change]] = []
    for start in _line_starts(detail, begin, wording.deleted):
        change = _head(detail, start, wording.deleted)
        if change is not None and change.end == len(detail):
            found.append((start - 1, change))
    return found[0] if len(found) == 1 else (len(detail), None)


def _split_exists(
    detail: str, conflict_type: str, operation: str, wording: Wording
) -> Detail | None:
    """The types that stop apply: a block for each unique index violated.

    Where there are several, a key that imitates a block whole can't be told from it.
    """
    first = _head(detail, 0, wording.not_applied)
    begin = 0 if first is None else first.end
    blocks = _blocks(detail, begin, conflict_type, wording)
    if first is not None and not blocks:
        return None if _head(detail, 0, wording.exists) else Detail(key=detail)
    if not blocks:
        return None
    updates = operation == "UPDATE" or conflict_type == "update_exists"
    said_once = ("remote", "identity") if updates else ("remote",)
    in_blocks = ("local",) if first is not None else ("local", *said_once)
    orders = (("key", *in_blocks), in_blocks)
    read = [_block(detail, start, end, orders, wording) for start, end in blocks]
    if conflict_type == _MULTIPLE and not all(map(_is_whole, read)):
        return Detail(key=detail)  # a value imitates a block, or a part of one
    if first is None:
        rows = {(block.parts.get("remote"), _identity(block.parts)) for block in read}
    else:
        end = blocks[0][0] - 1
        _, parts = _values(detail, first, end, (said_once,), wording)
        rows = {(parts.get("remote"), _identity(parts))}
    if len(rows) != 1:
        return Detail(key=detail)  # every real block repeats the remote row
    remote, (identity, full) = rows.pop()
    return Detail(
        index_names=tuple(block.change.index_name or "" for block in read),
        replica_identity_full=full,
        replica_identity_text=identity,
        remote_tuple_text=remote,
        local_conflicts=tuple(
            block.change.local(block.parts.get("key"), block.parts.get("local"))
            for block in read
        ),
        key="\2".join(
            f"{block.change.index_name}\1{block.parts.get('key', block.values)}"
            for block in read
        ),
    )


def _block(
    detail: str,
    start: int,
    end: int,
    orders: tuple[tuple[str, ...], ...],
    wording: Wording,
) -> _Block:
    change = _head(detail, start, wording.exists)
    if change is None:
        raise AssertionError("a block begins with the sentence that it was found by")
    return _Block(change, *_values(detail, change, end, orders, wording))


def _is_whole(block: _Block) -> bool:
    """Whether all rows of the block are certain, or none is shown."""
    return not block.values or "local" in block.parts


def _blocks(
    detail: str, begin: int, conflict_type: str, wording: Wording
) -> list[tuple[int, int]]:
    """Where each index's block begins and ends; empty if that is not certain."""
    starts = []
    for start in _line_starts(detail, begin, wording.exists):
        if _head(detail, start, wording.exists) is not None:
            starts.append(start)
        elif conflict_type == _MULTIPLE or _is_sentence(detail, start, wording.exists):
            return []
    if begin == 0:  # 18: the first block begins the text
        if _head(detail, 0, wording.exists) is None:
            return []
        starts.insert(0, 0)
    if not starts:
        return []
    if conflict_type != _MULTIPLE:
        if begin == 0:
            return [(0, len(detail))]  # one block, whatever a value looks like
        return [(starts[0], len(detail))] if len(starts) == 1 else []
    ends = [start - 1 for start in starts[1:]]
    return list(zip(starts, [*ends, len(detail)], strict=True))


def _line_starts(detail: str, begin: int, sentences: tuple[Sentence, ...]) -> list[int]:
    """Where lines begin as one of the sentences does."""
    starts = set()
    for words in {sentence.begin for sentence in sentences}:
        at = detail.find("\n" + words, begin)
        while at >= 0:
            starts.add(at + 1)
            at = detail.find("\n" + words, at + 1)
    return sorted(starts)


def _is_sentence(detail: str, start: int, sentences: tuple[Sentence, ...]) -> bool:
    """Whether one of the sentences begins here, in however many readings."""
    return any(sentence.lazy.match(detail, start) for sentence in sentences)


def _head(detail: str, start: int, sentences: tuple[Sentence, ...]) -> _Change | None:
    """The sentence that begins here, if it can be read in one way only."""
    for sentence in sentences:
        if not detail.startswith(sentence.begin, start):
            continue
        match = sentence.lazy.match(detail, start)
        if match is None:
            continue
        other = sentence.greedy.match(detail, start)
        if other is None or other.groups() != match.groups():
            return None
        said = match.groupdict()
        xid = said.get("xid")
        return _Change(
            index_name=said.get("index"),
            xid=int(xid) if xid else None,
            time=said.get("time"),
            origin=said.get("origin"),
            sentence=sentence,
            end=match.end(),
        )
    return None


def _values(
    detail: str,
    head: _Change,
    end: int,
    orders: tuple[tuple[str, ...], ...],
    wording: Wording,
) -> tuple[str, dict[str, str]]:
    """The text of a sentence's values, and those parts of it that are certain."""
    own_line = head.sentence.end is None
    stop = "." if own_line else head.sentence.end or ""
    begin = head.end
    if own_line:
        if begin >= end or detail[begin] != "\n":
            return "", {}
        begin += 1
    text = detail[begin:end]
    if not text.endswith(stop):
        return text, {}
    text = text[: len(text) - len(stop)]
    styles = [style for style in wording.styles if style.own_line == own_line]
    return text, certain_parts(text, orders, styles)


def _identity(parts: dict[str, str]) -> tuple[str | None, bool | None]:
    if "full" in parts:
        return parts["full"], True
    identity = parts.get("identity")
    return identity, None if identity is None else False


def violated_key(detail: str | None) -> str | None:
    """The key of an ordinary unique violation, if its DETAIL shows one.

    >>> violated_key("Key (id)=(1) already exists.")
    '(id)=(1)'
    """
    if detail is None:
        return None
    if not (detail.startswith(_KEY) and detail.endswith(_EXISTS)):
        detail = english_key(detail) or ""
    key = detail[len(_KEY) : -len(_EXISTS)]
    return key if key.startswith("(") and key.endswith(")") else None
