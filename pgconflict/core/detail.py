"""DETAIL of a conflict taken apart, where only one way of taking it apart exists.

Row values stand in DETAIL unquoted, so a value can imitate the words between rows. A
part is given only if the words on both its sides occur exactly once; otherwise it is
None, and DETAIL itself stays the record.
Source: errdetail_apply_conflict(), conflict.c, 18 and 19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pgconflict.core.detail_parts import Fits, certain_parts
from pgconflict.core.detail_sentences import (
    Said,
    is_sentence,
    line_starts,
    sentence_at,
)
from pgconflict.core.quick_detail import Detail, quick_detail
from pgconflict.core.translation import english_key, wordings
from pgconflict.core.wording import Wording, english

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgconflict.core.conflict import LocalConflict

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
_BLOCKS: Final = 256  # a table with more unique indexes violated at once is no table


def split_detail(detail: str | None, conflict_type: str, operation: str) -> Detail:
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


def careful_detail(
    detail: str, conflict_type: str, operation: str, fits: Fits | None = None
) -> Detail:
    """The parts of any DETAIL, in any language, whatever its values look like.

    `fits` says what can be a row or a key of the table, where that is known. A catalog
    can have some words only, so the wording that tells most is taken.
    """
    best = Detail(key=detail)
    for wording in _wordings():
        reading = _Reading(detail, wording, fits)
        if conflict_type in _EXISTS_TYPES:
            found = reading.exists(conflict_type, operation)
        elif conflict_type in _LOGGED_PARTS:
            found = reading.logged(conflict_type)
        else:
            break
        if found is not None and _certain(found) > _certain(best):
            best = found
        if is_complete(best, conflict_type):
            break
    return best


def is_complete(detail: Detail, conflict_type: str) -> bool:
    """Whether no part is missing that the server as a rule shows."""
    local = detail.local_conflicts
    there = {
        "identity": detail.replica_identity_text is not None,
        "remote": detail.remote_tuple_text is not None,
        "local": bool(local) and all(each.tuple_text is not None for each in local),
    }
    wanted = _LOGGED_PARTS.get(conflict_type, ("remote", "local"))
    if conflict_type == "update_exists":
        wanted = (*wanted, "identity")
    keys = conflict_type not in _EXISTS_TYPES or all(
        each.key_text is not None for each in local
    )
    return keys and all(there[part] for part in wanted)


def _certain(detail: Detail) -> int:
    """How much of it is told."""
    local = detail.local_conflicts
    rows = [detail.replica_identity_text, detail.remote_tuple_text]
    rows += [text for each in local for text in (each.key_text, each.tuple_text)]
    return len(local) + sum(text is not None for text in rows)


def _wordings() -> Iterator[Wording]:
    yield english()
    yield from wordings()


class _Block(NamedTuple):
    """What is said of one violated index."""

    said: Said
    values: str
    parts: dict[str, str]

    @property
    def is_whole(self) -> bool:
        """Whether its rows are certain, or none is shown."""
        return not self.values or "local" in self.parts


class _Reading:
    """One DETAIL read in one wording."""

    def __init__(self, detail: str, wording: Wording, fits: Fits | None) -> None:
        self._detail = detail
        self._wording = wording
        self._fits = fits

    def logged(self, conflict_type: str) -> Detail | None:
        """update_missing and the other types that apply goes on after."""
        detail, wording = self._detail, self._wording
        differs = conflict_type.endswith("origin_differs")
        said = sentence_at(detail, 0, wording.modified if differs else wording.missing)
        if said is None:
            return None
        end, deletion = len(detail), None
        if conflict_type == "update_deleted":
            end, deletion = self._deletion(said.end)
        values, parts = self._values(said, end, (_LOGGED_PARTS[conflict_type],))
        identity, full = _identity(parts)
        local: tuple[LocalConflict, ...] = ()
        if differs:
            local = (said.local(tuple_text=parts.get("local")),)
        elif deletion is not None and deletion.xid is not None:
            local = (deletion.local(),)
        return Detail(
            replica_identity_full=full,
            replica_identity_text=identity,
            remote_tuple_text=parts.get("remote"),
            local_conflicts=local,
            key=values if identity is None else identity,
        )

    def _deletion(self, begin: int) -> tuple[int, Said | None]:
        """Where the last line begins, and who deleted the row as it says."""
        detail, sentences = self._detail, self._wording.deleted
        found: list[tuple[int, Said]] = []
        for start in line_starts(detail, begin, sentences)[-_BLOCKS:]:
            said = sentence_at(detail, start, sentences)
            if said is not None and said.end == len(detail):
                found.append((start - 1, said))
        return found[0] if len(found) == 1 else (len(detail), None)

    def exists(self, conflict_type: str, operation: str) -> Detail | None:
        """The types that stop apply: a block for each unique index violated.

        Where there are several, a key that imitates a block whole can't be told from
        it.
        """
        first = sentence_at(self._detail, 0, self._wording.not_applied)
        begin = 0 if first is None else first.end
        blocks = self._blocks(begin, several=conflict_type == _MULTIPLE)
        if not blocks:
            return None if first is None else Detail(key=self._detail)
        updates = operation == "UPDATE" or conflict_type == "update_exists"
        said_once = ("remote", "identity") if updates else ("remote",)
        in_blocks = ("local",) if first is not None else ("local", *said_once)
        orders = (("key", *in_blocks), in_blocks)
        read = [_Block(said, *self._values(said, end, orders)) for said, end in blocks]
        if conflict_type == _MULTIPLE and not all(block.is_whole for block in read):
            return Detail(key=self._detail)  # a value imitates a block, or a part
        rows = {(block.parts.get("remote"), _identity(block.parts)) for block in read}
        if first is not None:
            end = self._detail.rfind("\n", 0, blocks[0][0].start)
            _, parts = self._values(first, end, (said_once,))
            rows = {(parts.get("remote"), _identity(parts))}
        if len(rows) != 1:
            return Detail(key=self._detail)  # every real block repeats the remote row
        remote, (identity, full) = rows.pop()
        return Detail(
            index_names=tuple(block.said.index_name or "" for block in read),
            replica_identity_full=full,
            replica_identity_text=identity,
            remote_tuple_text=remote,
            local_conflicts=tuple(
                block.said.local(block.parts.get("key"), block.parts.get("local"))
                for block in read
            ),
            key="\2".join(
                f"{block.said.index_name}\1{block.parts.get('key', block.values)}"
                for block in read
            ),
        )

    def _blocks(self, begin: int, *, several: bool) -> list[tuple[Said, int]]:
        """Each index's sentence and where its block ends; empty if not certain."""
        detail, sentences = self._detail, self._wording.exists
        starts = line_starts(detail, begin, sentences)
        if begin == 0:  # 18: the first block begins the text
            starts = [0, *starts] if several else [0]
        if len(starts) > _BLOCKS:
            return []
        found: list[Said] = []
        for start in starts:
            said = sentence_at(detail, start, sentences)
            if said is not None:
                found.append(said)
            elif several or is_sentence(detail, start, sentences):
                return []
        if len(found) > 1 and not several:
            return []
        ends = [said.start - 1 for said in found[1:]]
        return list(zip(found, [*ends, len(detail)], strict=True)) if found else []

    def _values(
        self, said: Said, end: int, orders: tuple[tuple[str, ...], ...]
    ) -> tuple[str, dict[str, str]]:
        """The text of a sentence's values, and those parts of it that are certain."""
        own_line = said.sentence.end is None
        stop = "." if own_line else said.sentence.end or ""
        begin = said.end
        if own_line:
            if begin >= end or self._detail[begin] != "\n":
                return "", {}
            begin += 1
        text = self._detail[begin:end]
        if not text.endswith(stop):
            return text, {}
        text = text[: len(text) - len(stop)]
        styles = [each for each in self._wording.styles if each.own_line == own_line]
        return text, certain_parts(text, orders, styles, self._fits)


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
