"""The sentences of DETAIL: where one begins and what it says before its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pgconflict.core.conflict import LocalConflict
from pgconflict.core.log_time import iso_time

if TYPE_CHECKING:
    from pgconflict.core.wording import Sentence


class Said(NamedTuple):
    """A sentence up to its values: who changed the local row, and what follows."""

    index_name: str | None
    xid: int | None
    time: str | None
    origin: str | None
    sentence: Sentence
    start: int
    end: int

    def is_like(self, other: Said) -> bool:
        """Whether both say the same."""
        one, two = self.sentence, other.sentence
        return self._replace(sentence=two) == other and (one.end, one.origin_kind) == (
            two.end,
            two.origin_kind,
        )

    def local(
        self, key_text: str | None = None, tuple_text: str | None = None
    ) -> LocalConflict:
        """The local row that it is about."""
        return LocalConflict(
            xid=self.xid,
            commit_ts=iso_time(self.time) if self.time else None,
            origin=self.origin,
            origin_kind=self.sentence.origin_kind,
            index=self.index_name,
            key_text=key_text,
            tuple_text=tuple_text,
        )


def sentence_at(
    detail: str, start: int, sentences: tuple[Sentence, ...]
) -> Said | None:
    """The sentence that begins here, if it can be read in one way only."""
    found: Said | None = None
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
        reading = Said(
            index_name=said.get("index"),
            xid=int(xid) if xid else None,
            time=said.get("time"),
            origin=said.get("origin"),
            sentence=sentence,
            start=start,
            end=match.end(),
        )
        # Two templates can be the same but for the line break after them.
        if found is not None and not found.is_like(reading):
            return None
        found = reading
    return found


def is_sentence(detail: str, start: int, sentences: tuple[Sentence, ...]) -> bool:
    """Whether one of the sentences begins here, in however many readings."""
    return any(sentence.lazy.match(detail, start) for sentence in sentences)


def line_starts(detail: str, begin: int, sentences: tuple[Sentence, ...]) -> list[int]:
    """Where lines begin as one of the sentences does."""
    starts = set()
    for words in {sentence.begin for sentence in sentences}:
        at = detail.find("\n" + words, begin)
        while at >= 0:
            starts.add(at + 1)
            at = detail.find("\n" + words, at + 1)
    return sorted(starts)
