"""Whether the server writes its log where and as it can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.checks.workers import by_owner, names, restart
from pgconflict.server.statements import (
    RELOAD,
    RESTART,
    alter_role,
    alter_system,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgconflict.server.checks.facts import Facts, Subscription

# Entries of a worker that a value of log_min_messages leaves out. Between ERROR and
# FATAL stands LOG: `log` hides errors. Source: is_log_level_output(), 15 to 19.
_HIDDEN: Final = {
    "log": "every conflict and error that stops apply",
    "fatal": "every conflict",
    "panic": "every conflict",
}
_DAY_HOURS: Final = 24
_ENGLISH: Final = ("c", "posix", "en")


def judge(facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with a node's log."""
    written = formats(facts)
    yield from _collector(facts)
    if written is not None:
        yield from _destination(facts, written)
    yield from _access(facts)
    yield from _retention(facts)
    yield from _levels(facts)
    yield from _language(facts)
    if written == {"stderr"}:
        yield from _stderr_only(facts)


def formats(facts: Facts) -> set[str] | None:
    """Return the readable formats that the server writes; None if not known."""
    value = facts.setting("log_destination")
    if value is None:
        return None
    words = {word.strip().lower() for word in value.split(",")}
    return words & {"jsonlog", "csvlog", "stderr"}


def _collector(facts: Facts) -> Iterator[Finding]:
    if facts.setting("logging_collector") == "off":
        yield Finding(
            node=facts.node,
            check=Check.LOGGING_COLLECTOR,
            severity=Severity.ERROR,
            seen="logging_collector = off",
            why="The server writes its log to no file that it knows the name of, so"
            " no conflict can be read.",
            remedy=(
                alter_system("logging_collector", "on"),
                alter_system("log_destination", "jsonlog"),
                RESTART,
            ),
        )


def _destination(facts: Facts, written: set[str]) -> Iterator[Finding]:
    value = facts.setting("log_destination") or ""
    if not written:
        yield Finding(
            node=facts.node,
            check=Check.LOG_DESTINATION,
            severity=Severity.ERROR,
            seen=f"log_destination = {value}",
            why="pgconflict reads jsonlog, csvlog and stderr files; the server writes"
            " none of them.",
            remedy=_add_jsonlog(value),
        )
    elif written == {"stderr"}:
        yield Finding(
            node=facts.node,
            check=Check.LOG_DESTINATION,
            severity=Severity.NOTICE,
            seen=f"log_destination = {value}",
            why="The stderr format has what log_line_prefix and log_error_verbosity"
            " leave in it, and severities in the server's language; jsonlog has"
            " everything, and tells an apply worker from a client for certain.",
            remedy=_add_jsonlog(value),
        )


def _add_jsonlog(value: str) -> tuple[str, ...]:
    words = [word.strip() for word in value.split(",") if word.strip()]
    return (alter_system("log_destination", ",".join([*words, "jsonlog"])), RELOAD)


def _access(facts: Facts) -> Iterator[Finding]:
    refusal = facts.log.refusal
    if (
        refusal is None
        # These have findings of their own.
        or not facts.server.pg_monitor
        or (facts.read != "file" and not facts.privileges.read_file)
        or facts.setting("logging_collector") == "off"
        or not formats(facts)
    ):
        return
    yield Finding(
        node=facts.node,
        check=Check.LOG_ACCESS,
        severity=Severity.ERROR,
        seen=f"the log can't be read (server_log.read: {facts.read}): {refusal}",
        why="Conflicts are told in the server log only: none of this node can be"
        " recorded." + (f" What helps: {facts.log.hint}." if facts.log.hint else ""),
        remedy=_file_remedy(facts) if facts.read == "file" else (),
    )


def _file_remedy(facts: Facts) -> tuple[str, ...]:
    # A data directory made without `initdb --allow-group-access` is closed to every
    # group, whatever the mode of the files in it.
    inside = not (facts.setting("log_directory") or "").startswith("/")
    move = [alter_system("log_directory", "/var/log/postgresql")] if inside else []
    return (
        alter_system("log_file_mode", "0640"),
        *move,
        RELOAD,
        "-- and let the daemon's account into the group of these files",
    )


def _retention(facts: Facts) -> Iterator[Finding]:
    """A file that is written over holds what a daemon that was down has not read."""
    name = facts.setting("log_filename")
    if name is None or facts.setting("log_truncate_on_rotation") != "on":
        return
    age = facts.number("log_rotation_age") or 0
    hours = name_returns(name)
    if hours is None or hours > _DAY_HOURS or not age:
        return
    every = f"{hours or age / 60:g} h"
    yield Finding(
        node=facts.node,
        check=Check.LOG_RETENTION,
        severity=Severity.WARNING,
        seen=f"log_filename = '{name}' with log_truncate_on_rotation = on: a file is"
        f" written over after {every}",
        why="What a daemon that is down for so long has not read is gone for good.",
        remedy=(
            alter_system("log_filename", "postgresql-%Y-%m-%d_%H%M%S.log"),
            RELOAD,
            "-- and remove old files by age, as with tmpfiles.d or find -mtime +14",
        ),
    )


def name_returns(name: str) -> int | None:
    """Return after how many hours a log_filename comes again; None: after weeks.

    0: it is always the same.

    >>> name_returns("postgresql-%H.log"), name_returns("postgresql-%a.log")
    (24, 168)
    >>> name_returns("postgresql.log"), name_returns("postgresql-%Y-%m-%d.log")
    (0, None)
    """
    found = {escape[1] for escape in escapes(name)}
    if found & set("YGysFcDxmjdbBhe"):
        return None
    if found & set("aAuw"):
        return 7 * _DAY_HOURS
    if found & set("HITRk"):
        return _DAY_HOURS
    return 1 if found & set("MS") else 0


def _levels(facts: Facts) -> Iterator[Finding]:
    for level, group in by_owner(facts, "log_min_messages", worker_level):
        hidden = _HIDDEN.get(level or "")
        if hidden:
            yield Finding(
                node=facts.node,
                check=Check.LOG_MIN_MESSAGES,
                severity=Severity.ERROR,
                seen=f"log_min_messages = {level} for {names(group)}",
                why=f"It keeps {hidden} out of the log, while the server's counters"
                " go on.",
                remedy=_for_owner(group, "log_min_messages", "warning"),
            )


def worker_level(value: str) -> str:
    """Return the level for apply workers in a value of log_min_messages.

    From 19 on it may have a level for each type of process.

    >>> worker_level("warning"), worker_level("BGWORKER:LOG, notice")
    ('warning', 'log')
    """
    level = ""
    for word in value.lower().replace(" ", "").split(","):
        process, colon, own = word.partition(":")
        if process == "bgworker" and colon:
            return own
        if not colon:
            level = word
    return level


def _language(facts: Facts) -> Iterator[Finding]:
    for language, group in by_owner(facts, "lc_messages", str):
        if language is None or language.lower().startswith(_ENGLISH):
            continue
        yield Finding(
            node=facts.node,
            check=Check.LC_MESSAGES,
            severity=Severity.WARNING,
            seen=f"lc_messages = {language or '(of the environment)'} for"
            f" {names(group)}",
            why="Conflicts are logged in that language as far as the server's"
            " translations go: what is recognised then is less, and changes with"
            " minor versions. The setting of the subscription's owner counts for its"
            " apply workers alone.",
            remedy=_for_owner(group, "lc_messages", "C"),
        )


def _stderr_only(facts: Facts) -> Iterator[Finding]:
    for verbosity, group in by_owner(facts, "log_error_verbosity", str):
        if verbosity == "terse":
            yield Finding(
                node=facts.node,
                check=Check.LOG_ERROR_VERBOSITY,
                severity=Severity.ERROR,
                seen=f"log_error_verbosity = terse for {names(group)}, and"
                " log_destination is stderr alone",
                why="It leaves DETAIL and CONTEXT out of this format: neither the"
                " subscription nor the transaction nor the rows of a conflict are in"
                " the log.",
                remedy=_for_owner(group, "log_error_verbosity", "default"),
            )
    prefix = facts.setting("log_line_prefix")
    if prefix is not None and not {"%p", "%c"} & escapes(prefix):
        yield Finding(
            node=facts.node,
            check=Check.LOG_LINE_PREFIX,
            severity=Severity.WARNING,
            seen=f"log_line_prefix = '{prefix}', and log_destination is stderr alone",
            why="Without the process id the lines of an entry can't be put together"
            " for certain, nor a retry be told from a new conflict: only what is"
            " certain is recorded.",
            remedy=(alter_system("log_line_prefix", "%m [%p] %b %q%u@%d "), RELOAD),
        )


def escapes(prefix: str) -> set[str]:
    """Return the escapes of a log_line_prefix, without their padding.

    >>> sorted(escapes("%m [%-5p] %% %q"))
    ['%%', '%m', '%p', '%q']
    """
    found = set()
    place = 0
    while (place := prefix.find("%", place)) >= 0:
        place += 1
        while prefix[place : place + 1] in {"-", *"0123456789"} - {""}:
            place += 1
        found.add("%" + prefix[place : place + 1])
        place += 1
    return found


def _for_owner(group: Sequence[Subscription], name: str, value: str) -> tuple[str, ...]:
    return (alter_role(group[0].owner, name, value), *restart(group))
