"""Chooses where a node's log is read: from this host's disk, or over SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgconflict.errors import NodeNotReadyError, PrivilegeMissingError
from pgconflict.server.local_log import LocalLog
from pgconflict.server.sql_log import SqlLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.config import Node
    from pgconflict.server.log_place import LogFile, LogPlace
    from pgconflict.server.log_settings import LogSettings
    from pgconflict.server.session import NodeSession

_SECOND_NS: Final = 10**9


async def present_place(
    node: Node, session: NodeSession, settings: LogSettings
) -> LogPlace:
    """Return where the log is read now, as `server_log.read` says.

    Raises:
        PrivilegeMissingError: it can't be read there, or anywhere.
        NodeNotReadyError: there is no such directory on this host.
    """
    way = node.server_log.read
    if way != "sql":
        local = _local(node, settings)
        try:
            files = await _readable(local, settings)
            if way == "file" or await _same(files, local, session):
                return local
        except (PrivilegeMissingError, NodeNotReadyError):
            if way == "file":
                local.close()
                raise
        local.close()
    place = _over_sql(node, session, settings.directory)
    await _readable(place, settings)
    return place


def former_place(node: Node, session: NodeSession, directory: str) -> LogPlace:
    """Return a directory where the log was read before, known by its position.

    An absolute path is one of this host, of a local place; over SQL it is as the
    server's setting had it.
    """
    kind, _, path = directory.partition(":")
    if kind == "file":
        return LocalLog(path, poll_s=node.server_log.poll_interval.total_seconds())
    return _over_sql(node, session, path)


def name_of(place: LogPlace) -> str:
    """Return the place's name for a position, which `former_place` understands."""
    kind = "file" if isinstance(place, LocalLog) else "sql"
    return f"{kind}:{place.directory}"


def _local(node: Node, settings: LogSettings) -> LocalLog:
    directory = node.server_log.directory or settings.absolute_directory
    return LocalLog(
        str(directory), poll_s=node.server_log.poll_interval.total_seconds()
    )


def _over_sql(node: Node, session: NodeSession, directory: str) -> SqlLog:
    poll_s = node.server_log.poll_interval.total_seconds()
    return SqlLog(session, directory, poll_s=poll_s)


async def _readable(place: LogPlace, settings: LogSettings) -> list[LogFile]:
    """Return the log files that the place lists; the newest one can be read."""
    files = [
        file
        for file in await place.files()
        if any(settings.files_of(name).match(file.name) for name in settings.formats)
    ]
    if files:
        newest = max(files, key=lambda file: file.modified)
        log = await place.open(newest.name)
        if log is not None:
            await log.read(0, 1, 1)
            log.close()
    return files


async def _same(
    files: Sequence[LogFile], local: LocalLog, session: NodeSession
) -> bool:
    """Whether the node's own listing describes the files of this host.

    Another server's log can lie under the same path here, when the node is elsewhere.
    """
    before = {row["name"]: row for row in await session.rows("log_files")}
    here = {file.name: file for file in await local.files()}
    after = {row["name"]: row for row in await session.rows("log_files")}
    names = [file.name for file in files if file.name in before.keys() & after.keys()]
    return bool(names) and all(
        name in here
        and before[name]["size"] <= here[name].size <= after[name]["size"]
        and before[name]["modified"] - 1
        <= here[name].modified / _SECOND_NS
        <= after[name]["modified"] + 1
        for name in names
    )
