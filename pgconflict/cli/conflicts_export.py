"""`pgconflict conflicts export`: all conflicts into a file, of any number."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO, Final

from pgconflict.cli import output
from pgconflict.cli.conflict_access import (
    add_filters,
    add_row_filters,
    filters_of,
    opened,
)
from pgconflict.conflict_log import export
from pgconflict.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pgconflict.conflict_log.filters import Filters
    from pgconflict.conflict_log.reader import ConflictLogReader
    from pgconflict.conflict_log.stored import StoredConflict

FORMATS: Final = ("csv", "jsonl", "parquet")
GROUP: Final = 10_000  # rows of a row group in a Parquet file
BAR: Final = 20  # cells


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take filters, the format and the file."""
    add_filters(parser)
    add_row_filters(parser)
    group = parser.add_argument_group("into what")
    group.add_argument(
        "--format",
        choices=FORMATS,
        metavar="FORMAT",
        help="csv, as PostgreSQL's COPY writes it; jsonl, the objects of --json;"
        " parquet; default: by the file's name, else csv",
    )
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="it appears when it is complete; default: standard output",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write them, oldest first; 0, also if there are none."""
    filters = filters_of(arguments)
    form = format_of(arguments)
    if form == "parquet":
        _need_pyarrow()
        if arguments.output is None and sys.stdout.isatty():
            raise UsageError(
                "Parquet is nothing for a terminal", hint="-o conflicts.parquet"
            )
    write = _WRITERS[form]
    with opened(arguments) as reader, _target(arguments.output) as out:
        # COPY and cursors wait for whoever takes what they give.
        reader.connection.execute("set statement_timeout = 0")
        reader.connection.execute("set idle_in_transaction_session_timeout = 0")
        total = export.expected(reader, filters)
        with Rows("export", total) as progress:
            number = write(reader, filters, out, progress.advance)
    if arguments.output is not None:
        output.print_message(
            f"{output.plural(number, 'conflict')} in"
            f" {output.visible(str(arguments.output))}"
        )
    return 0


def format_of(arguments: argparse.Namespace) -> str:
    """The format asked for, or that of the file's name."""
    if arguments.format:
        return str(arguments.format)
    if arguments.json:
        return "jsonl"
    suffix = arguments.output.suffix[1:] if arguments.output else ""
    return suffix if suffix in FORMATS else "csv"


class Rows(output.Progress):
    """Progress in rows, with a bar."""

    def _line(self, seconds: float) -> str:
        rate = f"{self._done / max(seconds, 0.001):.0f}/s"
        if not self.total:
            return f"{self.label} {self._done} {rate}"
        share = min(1.0, self._done / self.total)
        bar = ("#" * round(share * BAR)).ljust(BAR)
        return f"{self.label} [{bar}] {share:4.0%} {self._done} of {self.total} {rate}"


@contextmanager
def _target(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that takes its name when all is in it.

    Raises:
        UsageError: the file can't be written.
    """
    if path is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    aside = _is_plain(path)
    # A symbolic link stays one, and its file is the one that is replaced.
    real = path.resolve()
    written = real.with_name(real.name + ".part") if aside else path
    try:
        with written.open("wb") as file:
            yield file
        if aside:
            written.replace(real)
    except BaseException as error:
        if aside:
            written.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise UsageError(
            f"can't write {output.visible(str(path))}: {error.strerror}"
        ) from error


def _is_plain(path: Path) -> bool:
    """Whether a file may take this name: renamed over, /dev/null would be a file."""
    try:
        return S_ISREG(path.stat().st_mode)
    except OSError:
        return True  # there is none, or it says why when it is opened


def _write_csv(
    reader: ConflictLogReader,
    filters: Filters,
    out: BinaryIO,
    advance: Callable[[int], None],
) -> int:
    out.write(export.csv_header())
    number = 0
    for line in export.csv_lines(reader, filters):
        out.write(line)
        number += 1
        advance(1)
    return number


def _write_jsonl(
    reader: ConflictLogReader,
    filters: Filters,
    out: BinaryIO,
    advance: Callable[[int], None],
) -> int:
    number = 0
    for batch in export.batches(reader, filters):
        out.write("".join(f"{output.json_text(each)}\n" for each in batch).encode())
        number += len(batch)
        advance(len(batch))
    return number


def _write_parquet(
    reader: ConflictLogReader,
    filters: Filters,
    out: BinaryIO,
    advance: Callable[[int], None],
) -> int:
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - an extra

    number = 0
    group: list[StoredConflict] = []
    with ParquetWriter(out, export.arrow_schema()) as writer:
        for batch in export.batches(reader, filters):
            group += batch
            number += len(batch)
            advance(len(batch))
            if len(group) >= GROUP:
                writer.write_batch(export.arrow_batch(group))
                group.clear()
        if group:
            writer.write_batch(export.arrow_batch(group))
    return number


def _need_pyarrow() -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed",
            hint="pip install 'pgconflict[parquet]', or --format csv or jsonl",
        )


_WRITERS: Final = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
