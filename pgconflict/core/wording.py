r"""How a server words DETAIL: English of 18 and 19, and what its catalogs make of it.

Every sentence is one of PostgreSQL's own message templates, compiled; a translation
differs in the template only. The rows and keys that a sentence ends with are not
matched here, for they can hold anything: `detail` cuts them.
Source: errdetail_apply_conflict(), conflict.c, 18 and 19.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pgconflict.core.conflict import OriginKind

Translate = Callable[[str], str]
"""A template's text in the server's language; the template itself if it has none."""

_TIME: Final = (
    r"\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?[+-]\d\d(?::\d\d){0,2}(?: BC)?"
)
_PLACEHOLDER: Final = re.compile(r"%(?:(\d+)\$)?(?:0?8?X|[sud])")
_GROUPS: Final = {
    "index": "(?P<index>(?:(?!BEGIN).){1,63}LAZY)",
    "origin": "(?P<origin>(?:(?!BEGIN).){1,512}LAZY)",
    "xid": "(?P<xid>[0-9]{1,10})",
    "time": f"(?P<time>{_TIME})",
}
_EXISTS: Final = 'Key already exists in unique index "%s", modified '
_HOW: Final[tuple[tuple[str, OriginKind | None, tuple[str, ...]], ...]] = (
    ("locally in transaction %u at %s", "local", ("xid", "time")),
    ('by origin "%s" in transaction %u at %s', "origin", ("origin", "xid", "time")),
    ("by a non-existent origin in transaction %u at %s", "gone", ("xid", "time")),
    ("in transaction %u", None, ("xid",)),
)


class Sentence(NamedTuple):
    """A template up to its values, and what ends it after them."""

    lazy: re.Pattern[str]
    greedy: re.Pattern[str]
    begin: str  # literal text before anything that varies
    end: str | None  # None: the sentence has no values
    origin_kind: OriginKind | None


class Part(NamedTuple):
    """The words around one row or key: `remote row ` and nothing."""

    before: str
    after: str


class Style(NamedTuple):
    """How the parts of one values line are introduced and joined."""

    parts: dict[str, Part]  # key, local, remote, identity, full
    between: str
    own_line: bool  # then the first part begins with a capital


class Wording(NamedTuple):
    """All that is needed to read DETAIL as one server words it."""

    exists: tuple[Sentence, ...]
    modified: tuple[Sentence, ...]
    missing: tuple[Sentence, ...]
    not_applied: tuple[Sentence, ...]
    deleted: tuple[Sentence, ...]
    styles: tuple[Style, ...]


def make_wording(translate: Translate, styles: tuple[Style, ...] = ()) -> Wording:
    """The wording of the catalog behind `translate`, with more styles if given."""

    def sentences(
        text: str, names: tuple[str, ...], kind: OriginKind | None, end: str = ""
    ) -> list[Sentence]:
        return [
            _sentence(translate(text + "." + end), names, kind),
            _sentence(translate(text + ": %s." + end), (*names, "values"), kind),
        ]

    exists = [
        sentence
        for how, kind, names in _HOW
        for sentence in sentences(_EXISTS + how, ("index", *names), kind)
    ]
    modified = [
        sentence
        for verb in ("Updating", "Deleting")
        for how, kind, names in _HOW[:3]
        for sentence in sentences(
            f"{verb} the row that was modified {_different(how)}", names, kind
        )
    ]
    missing = [
        sentence
        for verb, end in (("updated", ""), ("updated", "\n"), ("deleted", ""))
        for sentence in sentences(f"Could not find the row to be {verb}", (), None, end)
    ]
    begin = "The row to be updated was deleted"
    deleted = [
        _sentence(translate(f"{begin}."), (), None),
        *(
            _sentence(translate(f"{begin} {_different(how)}."), names, kind)
            for how, kind, names in _HOW[:3]
        ),
    ]
    return Wording(
        exists=tuple(exists),
        modified=tuple(modified),
        missing=tuple(missing),
        not_applied=tuple(sentences("Could not apply remote change", (), None, "\n")),
        deleted=tuple(deleted),
        styles=(_line_style(translate), *styles, _inline_style(translate)),
    )


def _different(how: str) -> str:
    return how.replace('by origin "%s"', 'by a different origin "%s"')


def _sentence(
    template: str, names: tuple[str, ...], kind: OriginKind | None
) -> Sentence:
    """Compile a template whose arguments are `names`, the values last if any."""
    template = template.rstrip("\n")
    found = list(_PLACEHOLDER.finditer(template))
    order = [int(each[1] or position) - 1 for position, each in enumerate(found, 1)]
    begin = template[: found[0].start()] if found else template[:-1]
    pattern, at, end = "", 0, None
    for match, argument in zip(found, order, strict=True):
        pattern += re.escape(template[at : match.start()])
        at = match.end()
        if names[argument] == "values":
            end = template[at:]
            break
        # A name that held the next sentence's beginning would hold that sentence.
        pattern += _GROUPS[names[argument]].replace("BEGIN", re.escape(begin))
    if end is None:
        # Nothing follows but the full stop, which one build of 20 leaves out.
        stop = re.escape(template[-1:])
        pattern += re.escape(template[at:-1]) + rf"(?:{stop})?(?=\n|\Z)"
    return Sentence(
        lazy=re.compile(pattern.replace("LAZY", "?"), re.DOTALL),
        greedy=re.compile(pattern.replace("LAZY", ""), re.DOTALL),
        begin=begin,
        end=end,
        origin_kind=kind,
    )


def _inline_style(translate: Translate) -> Style:
    """The style of 19: the parts stand in the sentence itself."""
    return Style(
        parts={
            name: _part(translate(text))
            for name, text in (
                ("key", "key %s"),
                ("local", "local row %s"),
                ("remote", "remote row %s"),
                ("identity", "replica identity %s"),
                ("full", "replica identity full %s"),
            )
        },
        between=translate(", "),
        own_line=False,
    )


def _part(template: str) -> Part:
    before, _, after = template.partition("%s")
    return Part(before, after)


def _line_style(translate: Translate, row: str = "row") -> Style:
    """The style of 18: the parts have a line of their own."""
    return Style(
        parts={
            name: _part(translate(text))
            for name, text in (
                ("key", "key %s"),
                ("local", f"existing local {row} %s"),
                ("remote", f"remote {row} %s"),
                ("identity", "replica identity %s"),
                ("full", "replica identity full %s"),
            )
        },
        between="; ",
        own_line=True,
    )


@cache
def english() -> Wording:
    """The wording of 18 and 19 in English."""
    # Before its release 18 said tuple.
    return make_wording(_same, styles=(_line_style(_same, "tuple"),))


def _same(template: str) -> str:
    return template
