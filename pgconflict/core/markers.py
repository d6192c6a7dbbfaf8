"""Bytes by which a stderr log is searched: an entry of a worker has one of them.

jsonlog and csvlog need none of this: there the untranslated `backend_type` is enough.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from pgconflict.core.encodings import encoded
from pgconflict.core.translation import FRAME, catalogs, literals

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_ENGLISH_MARKERS: Final = (
    b"replication ",  # CONTEXT, start of workers, skipped transactions, missing rows
    b"conflict detected on relation ",  # has no CONTEXT if verbosity is terse
    b'subscription "',  # disabled
)
_STARTED: Final = (
    'logical replication apply worker for subscription "%s" has started',
    (
        'logical replication table synchronization worker for subscription "%s", '
        'table "%s" has started'
    ),
    (
        'logical replication sequence synchronization worker for subscription "%s" '
        "has started"
    ),
)
_FRAMES: Final = (
    f'{FRAME} "%s" during message type "%s"',
    f'{FRAME} "%s" during message type "%s" in transaction %u',
)
_MARKING: Final = frozenset(
    {
        'conflict detected on relation "%s.%s": conflict=%s',
        *_FRAMES,
        *_STARTED,
        "logical replication starts skipping transaction at LSN %X/%X",
        "logical replication starts skipping transaction at LSN %X/%08X",
        "logical replication completed skipping transaction at LSN %X/%X",
        "logical replication completed skipping transaction at LSN %X/%08X",
        'skip-LSN of subscription "%s" cleared',
        'subscription "%s" has been disabled because of an error',
    }
)


@cache
def stderr_markers(
    languages: frozenset[str] | None, before: str = "", codec: str | None = None
) -> tuple[bytes, ...]:
    """Bytes of which a worker's stderr entry has at least one.

    `languages`: those the server may write besides English; None: all known.
    `before`: what a worker's prefix ends with; a client's ends otherwise as a rule,
    and most errors in a log are clients'. `codec`: the log's, if not UTF-8.
    """
    words = {"ERROR"}
    if languages != frozenset():
        words |= {
            text
            for language, messages in catalogs().items()
            if languages is None or language in languages
            for text in messages.get("ERROR", ())
        }
    errors = encoded((f"{before}{word}:  " for word in words), codec)
    translated = _translated(languages, _MARKING, codec)
    return _minimal({*_ENGLISH_MARKERS, *errors, *translated})


@cache
def evidence_markers(languages: frozenset[str] | None) -> tuple[bytes, ...]:
    """Bytes of which a worker's start and its CONTEXT have at least one."""
    return _minimal({b"replication ", *_translated(languages, {*_STARTED, *_FRAMES})})


def worker_markers(language: str) -> set[bytes]:
    """Bytes of which a worker's messages in this language have at least one."""
    return _translated(frozenset({language}), _MARKING)


def _translated(
    languages: frozenset[str] | None,
    templates: AbstractSet[str],
    codec: str | None = None,
) -> set[bytes]:
    if languages == frozenset():
        return set()
    words = (
        _longest(text)
        for language, messages in catalogs().items()
        if languages is None or language in languages
        for english in templates
        for text in messages.get(english, ())
    )
    return set(encoded(words, codec))


def _minimal(markers: set[bytes]) -> tuple[bytes, ...]:
    """The markers without those that hold another one: they find nothing more."""
    return tuple(
        sorted(
            marker
            for marker in markers
            if not any(other != marker and other in marker for other in markers)
        )
    )


def _longest(template: str) -> str:
    return max(literals(template), key=len)
