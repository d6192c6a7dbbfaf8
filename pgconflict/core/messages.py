"""The messages of logical replication workers that matter, in English.

Each function returns what the message says, or None if it is another message. Names
stand in messages raw, so a pattern is anchored at both ends.
Source: worker.c, tablesync.c, sequencesync.c, conflict.c, relation.c, 15 to 19.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pgconflict.core.lsn import parse_lsn
from pgconflict.core.translation import english_message

if TYPE_CHECKING:
    from pgconflict.core.workers import WorkerKind

CONFLICT: Final = "conflict detected on relation "
PARALLEL_EXIT: Final = "logical replication parallel apply worker exited due to error"

_TYPE: Final = ": conflict="
_VIOLATION: Final = 'duplicate key value violates unique constraint "'
_MISSING_ROW: Final = "logical replication did not find row to be "
_ENGLISH: Final = (
    # What English messages of workers begin with as a rule, to spare them the search.
    *("conflict detected ", "logical replication ", "duplicate key value "),
    *('subscription "', "skip-LSN of ", "data stream ", "could not ", "publisher did "),
    *("apply worker ", "table synchronization ", "sequencesync worker "),
    *("replication ", "terminating ", "lost connection "),
)

# Patterns as text: they are compiled when the first such message comes.
_STARTED: Final = (
    r"(?s)logical replication (?:(parallel apply|apply|sequence synchronization) worker"
    r' for subscription "(.+)"'
    r'|table synchronization worker for subscription "(.+?)", table "(.+)")'
    r" has started"
)
_STOPPED: Final = (
    r'(?s)logical replication .*worker for subscription "?.+ '
    r"(?:has finished|will (?:stop|restart|not start).*)"
)
_LSN: Final = r"([0-9A-F]{1,8}/[0-9A-F]{1,8})"
_SKIPPING: Final = (
    rf"logical replication (starts|completed) skipping transaction at LSN {_LSN}"
)
_DISABLED: Final = r'(?s)subscription "(.+)" has been disabled because of an error'
_CLEARED: Final = r'(?s)skip-LSN of subscription "(.+)" cleared'
_NAMED: Final = (
    r"(?s)(?:(?:apply worker|table synchronization worker|sequencesync worker) for )?"
    r'subscription "(.+?)" could not connect to the publisher: '
    r'|logical replication sequence synchronization failed for subscription "(.+)"\Z'
)
_TARGET: Final = (
    r'(?s)logical replication target relation "(.+?)" (?:does not exist\Z'
    r"|is missing replicated columns?: |has incompatible generated columns?: "
    r"|uses system columns |has neither REPLICA IDENTITY )"
    r"|publisher did not send replica identity column expected by the logical "
    r'replication target relation "(.+)"\Z'
)
_COPY: Final = r"(?s)COPY (.+?), line [0-9]+(?:, column .*|: .*)?"
_KINDS: Final[dict[str | None, WorkerKind]] = {
    "apply": "apply",
    "parallel apply": "parallel apply",
    "sequence synchronization": "sequence sync",
    None: "table sync",
}

StoryWord = Literal["disabled", "skip_started", "skip_finished", "skip_cleared"]


class Started(NamedTuple):
    """A worker announced itself."""

    kind: WorkerKind
    subname: str
    relname: str | None


class Story(NamedTuple):
    """A message that changes the status of what stopped apply."""

    what: StoryWord
    subname: str | None = None
    lsn: int | None = None


def in_english(message: str) -> str:
    """The message itself, or its English form if a catalog knows it."""
    return message if message.startswith(_ENGLISH) else _in_english(message)


@lru_cache(maxsize=1024)
def _in_english(message: str) -> str:
    # Retries repeat their message, so the answers are kept.
    return english_message(message) or message


def conflict_message(message: str) -> tuple[str, str] | None:
    """Relation and conflict type."""
    if not message.startswith(CONFLICT):
        return None
    relation, found, conflict_type = message[len(CONFLICT) :].rpartition(_TYPE)
    if not found or not conflict_type.isidentifier():
        return None
    if relation.startswith('"') and relation.endswith('"') and len(relation) > 1:
        relation = relation[1:-1]
    return relation, conflict_type


def unique_violation(message: str) -> str | None:
    """The index."""
    if not message.startswith(_VIOLATION) or not message.endswith('"'):
        return None
    return message[len(_VIOLATION) : -1]


def missing_row(message: str) -> str | None:
    """The conflict type that 18 gives to 15's DEBUG1 message, never translated."""
    if not message.startswith(_MISSING_ROW):
        return None
    if message.startswith("updated in ", len(_MISSING_ROW)):
        return "update_missing"
    if message.startswith("deleted in ", len(_MISSING_ROW)):
        return "delete_missing"
    return None


def started(message: str) -> Started | None:
    """Which worker starts."""
    match = re.fullmatch(_STARTED, message)
    if match is None:
        return None
    kind = _KINDS[match[1]]
    return Started(kind, match[2] or match[3], match[4])


def stopped(message: str) -> bool:
    """Whether the worker says that it ends."""
    return re.fullmatch(_STOPPED, message) is not None


def story(message: str) -> Story | None:
    """What it says about the transaction that stopped apply."""
    if match := re.fullmatch(_SKIPPING, message):
        what: StoryWord = "skip_started" if match[1] == "starts" else "skip_finished"
        return Story(what, lsn=parse_lsn(match[2]))
    if match := re.fullmatch(_DISABLED, message):
        return Story("disabled", subname=match[1])
    if match := re.fullmatch(_CLEARED, message):
        return Story("skip_cleared", subname=match[1])
    return None


def named_subscription(message: str) -> str | None:
    """The subscription, where an error's message names it."""
    match = re.match(_NAMED, message)
    return (match[1] or match[2]) if match else None


def target_relation(message: str) -> str | None:
    """The relation, where an error's message names it and its context does not."""
    match = re.match(_TARGET, message)
    return (match[1] or match[2]) if match else None


def copied_relation(context: str | None) -> str | None:
    """The bare table, where an initial copy failed."""
    match = re.fullmatch(_COPY, context or "")
    return match[1] if match else None
