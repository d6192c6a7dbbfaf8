"""DETAIL of a conflict taken apart, where only one way of taking it apart exists.

Row values stand in DETAIL unquoted, so a value can imitate the words between rows. A
part is given only if the words on both its sides occur exactly once; otherwise it is
None, and DETAIL itself stays the record.
Source: errdetail_apply_conflict(), conflict.c, 18 and 19.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

from pgconflict.core.conflict import LocalConflict
from pgconflict.core.translation import english_key, wordings
from pgconflict.core.wording import ENGLISH, Sentence, Style, Wording

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


class Detail(NamedTuple):
    """What DETAIL says; `key` is what tells two conflicts of one transaction apart."""

    index_names: tuple[str, ...] = ()
    replica_identity_full: bool | None = None
    replica_identity_text: str | None = None
    remote_tuple_text: str | None = None
    local_conflicts: tuple[LocalConflict, ...] = ()
    key: str = ""


class _Change(NamedTuple):
    """Who changed the local row, and what follows in the text."""

    index: str | None
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
            index=self.index,
            key_text=key_text,
            tuple_text=tuple_text,
        )


def split_detail(
    detail: str | None,
    conflict_type: str,
    operation: str,
) -> Detail:
    """The parts of a conflict's DETAIL.

    `operation` is the remote message type. A part is None if the server did not show
    it or if more than one reading is possible. `key` is made of what the server shows
    of keys: the replica identity, and each index with its key; where those cannot be
    told from other values, of all values. It is the same at every attempt, as long
    as the local row stays what it is.
    """
    if not detail:
        return Detail()
    for wording in _wordings():
        if conflict_type in _EXISTS_TYPES:
            found = _split_exists(detail, conflict_type, operation, wording)
        elif conflict_type in _LOGGED_PARTS:
            found = _split_logged(detail, conflict_type, wording)
        else:
            break
        if found is not None:
            return found
    return Detail(key=detail)


def _wordings() -> Iterator[Wording]:
    yield ENGLISH
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
    elif deletion is not None:
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
    """The types that stop apply: a block for each unique index violated."""
    first = _head(detail, 0, wording.not_applied)
    begin = 0 if first is None else first.end
    blocks = _blocks(detail, begin, conflict_type, wording)
    if first is not None and not blocks:
        return None if _head(detail, 0, wording.exists) else Detail(key=detail)
    if not blocks:
        return None
    updates = operation == "UPDATE" or conflict_type == "update_exists"
    identity_part = ("identity",) if updates else ()
    remotes, identities, keys, local = [], [], [], []
    if first is not None:
        end = blocks[0][0] - 1
        values, parts = _values(
            detail, first, end, (("remote", *identity_part),), wording
        )
        remotes.append(parts.get("remote"))
        identities.append(_identity(parts))
        if updates:
            keys.append(identities[0][0] if identities[0][0] is not None else values)
    for start, end in blocks:
        block = _head(detail, start, wording.exists)
        if block is None:
            return None
        rows = ("local",) if first is not None else ("local", "remote", *identity_part)
        values, parts = _values(detail, block, end, (("key", *rows), rows), wording)
        if first is None:
            remotes.append(parts.get("remote"))
            identities.append(_identity(parts))
        key_text = parts.get("key")
        keys.append(f"{block.index}\1{values if key_text is None else key_text}")
        local.append(block.local(key_text, parts.get("local")))
    same = len(set(remotes)) == 1 and len(set(identities)) == 1
    if not same:
        # A block that is a value's imitation would repeat another remote row.
        return Detail(key=detail)
    identity, full = identities[0]
    return Detail(
        index_names=tuple(each.index for each in local if each.index is not None),
        replica_identity_full=full,
        replica_identity_text=identity,
        remote_tuple_text=remotes[0],
        local_conflicts=tuple(local),
        key="\2".join(keys),
    )


def _blocks(
    detail: str, begin: int, conflict_type: str, wording: Wording
) -> list[tuple[int, int]]:
    """Where each index's block begins and ends; empty if that is not certain."""
    starts = [
        start
        for start in _line_starts(detail, begin, wording.exists)
        if _head(detail, start, wording.exists) is not None
    ]
    if begin == 0:  # 18: the first block begins the text
        if _head(detail, 0, wording.exists) is None:
            return []
        starts.insert(0, 0)
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
            index=said.get("index"),
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
    best: dict[str, str] = {}
    for style in wording.styles:
        if style.own_line == own_line:
            for names in orders:
                parts = _parts(text, names, style)
                if len(parts) > len(best):
                    best = parts
    return text, best


def _parts(text: str, names: tuple[str, ...], style: Style) -> dict[str, str]:
    """The parts that stand between words which occur once; `full` is an identity."""
    first, words = _first(text, names[0], style)
    if first is None:
        return {}
    # Where each part begins (at its opening parenthesis) and ends; None: not certain.
    begins: list[int | None] = [len(words)]
    ends: list[int | None] = []
    kinds = [first]
    at = len(words)
    for before, name in itertools.pairwise(names):
        found = _separator(text, before, name, style)
        if found is None or found[0] < at:
            ends.append(None)
            begins.append(None)
            kinds.append(name)
            continue
        position, length, kind = found
        ends.append(position + 1)
        begins.append(position + length - 1)
        kinds.append(kind)
        at = position + length - 1
    last = style.parts[kinds[-1]].after
    whole = text.endswith(")" + last)
    ends.append(len(text) - len(last) if whole else None)
    return {
        kind: text[begin:end]
        for kind, begin, end in zip(kinds, begins, ends, strict=True)
        if begin is not None and end is not None and begin < end
    }


def _first(text: str, name: str, style: Style) -> tuple[str | None, str]:
    for kind in (name, "full") if name == "identity" else (name,):
        words = style.parts[kind].before
        if style.own_line:
            words = words[:1].upper() + words[1:]
        if text.startswith(words + "("):
            return kind, words
    return None, ""


def _separator(
    text: str, before: str, name: str, style: Style
) -> tuple[int, int, str] | None:
    """Where the words between two parts stand, if they stand there once."""
    found: tuple[int, int, str] | None = None
    end = ")" + style.parts[before].after + style.between
    for kind in (name, "full") if name == "identity" else (name,):
        words = end + style.parts[kind].before + "("
        position = text.find(words)
        if position >= 0:
            if found is not None or text.find(words, position + 1) >= 0:
                return None
            found = position, len(words), kind
    return found


def _identity(parts: dict[str, str]) -> tuple[str | None, bool | None]:
    if "full" in parts:
        return parts["full"], True
    identity = parts.get("identity")
    return identity, None if identity is None else False


def iso_time(text: str) -> str:
    """The server's time as ISO 8601, its digits and zone unchanged.

    >>> iso_time("2026-11-20 17:29:27.329385+00")
    '2026-11-20T17:29:27.329385+00:00'
    """
    text = text.replace(" ", "T", 1)
    return text if text[-3] == ":" else f"{text}:00"


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
