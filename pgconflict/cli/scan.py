"""`pgconflict scan`: the conflicts in server log files, without any server."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pgconflict.cli.log_files import STDIN, LogFile
from pgconflict.cli.output import Progress, plural, print_json_line, print_message
from pgconflict.core.fold import Fold
from pgconflict.core.log_detect import detect_format, detect_languages, first_time
from pgconflict.core.log_time import known_zone
from pgconflict.core.recogniser import Recogniser
from pgconflict.core.server_log import LogFormat
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from pgconflict.cli.log_files import Bytes
    from pgconflict.core.conflict import Entry
    from pgconflict.core.fold import Folded
    from pgconflict.core.prefix_detect import PrefixFinder

# LATER: what not every log needs is imported where it is needed; a scan of a small log
# takes no longer than its imports.

FINDINGS: Final = 3
SMALL: Final = 1 << 24  # bytes: up to this size every language is looked for
AUTO: Final = "auto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `scan` takes."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="server log, plain or gzipped; - for standard input",
    )
    parser.add_argument(
        "--format",
        choices=(AUTO, *LogFormat),
        default=AUTO,
        help="format of the files; default: found out for each",
    )
    parser.add_argument(
        "--log-line-prefix",
        metavar="STRING",
        help="the server's setting, for stderr logs; default: found out",
    )
    parser.add_argument(
        "--log-timezone",
        metavar="ZONE",
        help="the server's setting, for times in a named zone other than UTC",
    )
    parser.add_argument(
        "--fail-on-conflict",
        action="store_true",
        help=f"exit code {FINDINGS} if there is any conflict or apply error",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the conflicts; the exit code.

    Raises:
        UsageError: a file can't be read, or lacks what the options must say.
    """
    if arguments.log_timezone and not known_zone(arguments.log_timezone):
        raise UsageError(
            f"no time zone is called {arguments.log_timezone}",
            hint="use a name of the time zone database, as SHOW log_timezone does",
        )
    scan = Scan(arguments)
    with Progress("scan", _total(arguments.files)) as progress:
        scan.read(arguments.files, progress)
    scan.complain()
    conflicts = scan.fold.conflicts()
    if arguments.json:
        for record in scan.records(conflicts):
            print_json_line(record)
    else:
        from pgconflict.cli.scan_report import print_report  # noqa: PLC0415 - LATER

        print_report(list(scan.records(conflicts)))
    return FINDINGS if conflicts and arguments.fail_on_conflict else 0


class Scan:
    """One run over some files: what was found, and what could not be read."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.fold = Fold()
        self._options = arguments
        self._unrecognised = Counter[str]()
        # Which pid is which worker, from the stderr files read so far.
        self._workers: dict[str, Any] = {}

    def read(self, names: list[str], progress: Progress) -> None:
        """Read all files in the order of their first times."""
        for name in in_order(names):
            with LogFile(name, progress.advance) as file:
                for entry in self._entries(file):
                    self.fold.add(entry)
                if file.damage is not None:
                    print_message(f"{file.name}: {file.damage}; read up to there")

    def records(self, conflicts: list[Folded]) -> Iterator[dict[str, Any]]:
        """Each conflict as its JSON object."""
        from pgconflict.core.scan_record import scan_record  # noqa: PLC0415 - LATER

        for each in conflicts:
            yield scan_record(each, self.fold.tables(each.subname))

    def complain(self) -> None:
        """Say what could not be read.

        Raises:
            UsageError: times are in a zone that only the user can name.
        """
        counts = self._unrecognised
        undatable = counts["bad_time"]
        if undatable and not self._options.log_timezone:
            raise UsageError(
                f"{plural(undatable, 'entry', 'entries')} of workers can't be dated:"
                " the abbreviation of their time zone may mean several",
                hint="say --log-timezone ZONE, the server's setting log_timezone",
            )
        if counts:
            total = plural(counts.total(), "entry", "entries")
            reasons = ", ".join(f"{name} {count}" for name, count in counts.items())
            print_message(f"{total} left out: {reasons}")

    def _entries(self, file: LogFile) -> Iterator[Entry]:
        chunks = file.chunks()
        log_format = self._options.format
        if log_format == AUTO:
            log_format = detect_format(file.head)
        if log_format != LogFormat.STDERR:
            yield from self._recognised(chunks, LogFormat(log_format))
            return
        small = file.size is not None and file.size <= SMALL and not file.gzipped
        languages = None if small else detect_languages(file.samples())
        prefix = self._options.log_line_prefix
        if prefix is None:
            from pgconflict.core.prefix_detect import PrefixFinder  # noqa: PLC0415 - LATER

            finder = PrefixFinder(languages)
            found = _from_prefix(finder, file.name, chunks)
            if (first := next(found, None)) is None:
                return  # no worker wrote anything
            chunks, prefix = chain([first], found), finder.prefix
        yield from self._recognised(chunks, LogFormat.STDERR, prefix, languages)

    def _recognised(
        self,
        chunks: Iterable[Bytes],
        log_format: LogFormat,
        prefix: str | None = None,
        languages: frozenset[str] | None = None,
    ) -> Iterator[Entry]:
        recogniser = Recogniser(
            log_format,
            log_line_prefix=prefix,
            log_timezone=self._options.log_timezone,
            languages=languages,
            undated=True,
            state=self._workers if log_format is LogFormat.STDERR else None,
        )
        for chunk in chunks:
            yield from recogniser.feed(chunk)
        yield from recogniser.end_of_file()
        if log_format is LogFormat.STDERR:
            self._workers = recogniser.state()
        self._unrecognised += recogniser.unrecognised


def in_order(names: list[str]) -> list[str]:
    """The names by the first time in each file; standard input last.

    A worker says once who it is, maybe in an earlier file than its conflicts.
    """

    def key(name: str) -> tuple[bool, str]:
        if name == STDIN:
            return True, ""
        with LogFile(name, lambda _: None) as file:
            return False, first_time(file.head)

    return sorted(names, key=key) if len(names) > 1 else names


def _from_prefix(
    finder: PrefixFinder, name: str, chunks: Iterator[Bytes]
) -> Iterator[Bytes]:
    """The bytes from where the prefix could be found out; none if no worker wrote."""
    from pgconflict.core.prefix_detect import PrefixUnclearError  # noqa: PLC0415 - LATER

    try:
        for chunk in chunks:
            if kept := finder.feed(chunk):
                yield kept
                yield from chunks
                return
        if kept := finder.end():
            yield kept
    except PrefixUnclearError as error:
        raise UsageError(
            f"{name}: it is not clear which log_line_prefix writes {str(error)!r}",
            hint="say --log-line-prefix STRING, the server's setting",
        ) from error


def _total(names: list[str]) -> int | None:
    """The bytes to read, if all are files."""
    try:
        return sum(Path(name).stat().st_size for name in names)
    except OSError:
        return None
