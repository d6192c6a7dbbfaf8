"""Writes a man page for pgconflict and each of its commands, from what `--help` has.

    python tools/man_pages.py FOLDER

The pages are `pgconflict.1`, `pgconflict-check.1`, ...; a page of a command has the
commands below it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pgconflict import __version__
from pgconflict.cli.parser import Parser, load, tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILES = (
    ("/etc/pgconflict/pgconflict.yml", "The configuration."),
    ("./pgconflict.yml", "The configuration, where there is none in /etc."),
)
_EXIT = (
    ("0", "Fine."),
    ("1", "A defect in pgconflict."),
    ("2", "Usage."),
    ("3", "Findings."),
    ("69", "A server can't be reached."),
    ("77", "A privilege is missing."),
    ("78", "The configuration is wrong."),
)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the file name of each page, and its text."""
    top = tree()
    commands = _commands(top)
    yield "pgconflict.1", "\n".join(_page(top, "pgconflict", commands))
    for name, parser in commands.items():
        load(parser)
        title = f"pgconflict-{name}"
        yield f"{title}.1", "\n".join(_page(parser, title, _commands(parser)))


def _page(
    parser: argparse.ArgumentParser,
    title: str,
    below: Mapping[str, argparse.ArgumentParser],
) -> Iterator[str]:
    about = (parser.description or title).strip()
    date = time.strftime("%Y-%m-%d", time.gmtime(_built_at()))
    yield f'.TH "{_text(title.upper())}" 1 "{date}" "pgconflict {__version__}"'
    yield ".SH NAME"
    yield f"{_text(title)} \\- {_text(about[0].lower() + about[1:].rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield from _synopsis(parser)
    yield ".SH DESCRIPTION"
    yield _text(about)
    if title == "pgconflict":
        yield ".SH COMMANDS"
        for name, help_text in _helps(parser):
            yield from _item(f"\\fB{_text(f'{title}-{name}')}\\fR(1)", help_text)
    else:
        for name, one in below.items():
            yield f'.SS "{_text(one.prog)}"'
            yield _text(one.description or dict(_helps(parser)).get(name, ""))
            yield ".PP"
            yield from _synopsis(one)
            yield from _options(one)
    yield ".SH OPTIONS"
    yield from _options(parser, common=True)
    yield ".SH EXIT STATUS"
    for code, meaning in _EXIT:
        yield from _item(code, meaning)
    yield ".SH ENVIRONMENT"
    yield from _item("PGCONFLICT_CONFIG", "The configuration file.")
    yield ".SH FILES"
    for path, meaning in _FILES:
        yield from _item(_text(path), meaning)
    if title != "pgconflict":
        yield ".SH SEE ALSO"
        yield "\\fBpgconflict\\fR(1)"
    yield ""


def _synopsis(parser: argparse.ArgumentParser) -> Iterator[str]:
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    yield f"\\fB{_text(parser.prog)}\\fR{_text(usage.removeprefix(parser.prog))}"


def _options(parser: argparse.ArgumentParser, *, common: bool = False) -> Iterator[str]:
    for group in parser._action_groups:  # noqa: SLF001 - argparse shows it to nobody
        if group.title == "common options" and not common:
            continue
        for action in group._group_actions:  # noqa: SLF001
            hidden = action.help == argparse.SUPPRESS
            if hidden or isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
                continue
            yield from _item(_invocation(parser, action), action.help or "")


def _invocation(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()  # noqa: SLF001
    return f"\\fB{_text(formatter._format_action_invocation(action))}\\fR"  # noqa: SLF001


def _item(term: str, text: str) -> Iterator[str]:
    yield ".TP"
    yield term
    yield _text(" ".join(text.replace("%%", "%").split())) or "\\&"


def _commands(
    parser: argparse.ArgumentParser,
) -> dict[str, Parser]:
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            helped = {name for name, _ in _helps(parser)}
            found = {
                name: one for name, one in action.choices.items() if name in helped
            }
            for one in found.values():
                load(one)
            return found
    return {}


def _helps(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    return [
        (one.dest, one.help or "")
        for action in parser._actions  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        for one in action._choices_actions  # noqa: SLF001
    ]


def _text(text: str) -> str:
    """Text for roff: no line of it is taken for a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    text = text.replace("'", "\\(aq")
    return "\n".join(
        f"\\&{line}" if line.startswith(".") else line for line in text.splitlines()
    )


def _built_at() -> float:
    # As reproducible builds say it.
    return float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())


def main() -> None:
    """Write the pages into the folder that the command line names."""
    parser = argparse.ArgumentParser(description="write the man pages")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
