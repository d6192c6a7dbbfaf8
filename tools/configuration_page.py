"""Writes docs/configuration.md from the models that read the configuration file.

    python tools/configuration_page.py > docs/configuration.md

A test compares the page with what this prints.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from pgconflict.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD = """\
# Configuration

<!-- Written by tools/configuration_page.py from the models; change those. -->

`pgconflict` looks for its file in this order: `--config FILE`, `$PGCONFLICT_CONFIG`,
`/etc/pgconflict/pgconflict.yml`, `./pgconflict.yml`. An unknown key, a value of a wrong
type, a name that is there twice: all errors are reported at once, each with its key and
line, and the exit code is 78. `pgconflict init --example configuration` prints a file with
every key, its default, and more words than are here.

Durations have a unit (`250ms`, `30s`, `15m`, `2h`, `90d`), and so have sizes (`64kB`,
`16MB`; powers of 1024). Passwords don't stand in this file: libpq finds them in a passfile,
a service file or the environment.
"""
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def page() -> str:
    """Return the text of docs/configuration.md."""
    return "\n".join([_HEAD, *_sections(Config, "")])


def _sections(model: type[BaseModel], path: str) -> Iterator[str]:
    inner = []
    if path:
        yield f"## `{path}`\n"
        yield f"{_sentence(model.__doc__)}\n"
    yield "| key | values | default | |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        key = field.alias or name
        section, many = _section(field.annotation)
        place = f"{path}.{key}".removeprefix(".") + ("[]" if many else "")
        if section:
            inner.append((section, place))
        yield (
            f"| `{key}` | {_values(field, section, place)} | {_default(field)} |"
            f" {_sentence(field.description)} |"
        )
    yield ""
    for section, place in inner:
        yield from _sections(section, place)


def _section(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the model of a key that has keys itself, and whether it is a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for inner in get_args(annotation):
        section, _ = _section(inner)
        if section:
            return section, get_origin(annotation) is tuple
    return None, False


def _values(field: FieldInfo, section: type[BaseModel] | None, place: str) -> str:
    if section:
        return f"[below](#{''.join(c for c in place if c.isalnum() or c in '_-')})"
    return " ".join(_words(field.annotation, field))


def _words(annotation: Any, field: FieldInfo) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield ", ".join(f"`{value}`" for value in get_args(annotation))
        return
    names = [getattr(part, "__name__", "") for part in _parts(annotation)]
    kinds = {
        "bool": "`true`, `false`",
        "timedelta": "duration",
        "int": "number",
        "float": "number",
        "Path": "path",
        "ListenAddress": "`host:port`",
        "str": "text",
    }
    found = [kinds[name] for name in dict.fromkeys(names) if name in kinds]
    if get_origin(annotation) is tuple or "tuple" in str(annotation):
        found = ["list of text"]
    yield " or ".join(found) or "text"
    bounds = {
        name: getattr(each, name)
        for each in field.metadata
        for name in ("ge", "le")
        if getattr(each, name, None) is not None
    }
    if bounds:
        yield f"from {bounds.get('ge', '')} to {bounds.get('le', '')}"


def _parts(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for each in inner:
        yield from _parts(each)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if isinstance(value, BaseModel):
        return ""
    return f"`{_shown(value)}`"


def _shown(value: Any) -> str:
    """Return a value as it is written in the file."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        for unit, size in _UNITS:
            if seconds >= size and seconds % size == 0:
                return f"{int(seconds // size)}{unit}"
        return f"{round(seconds * 1000)}ms"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "[]" if value == () else str(value)


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> None:
    """Print the page."""
    sys.stdout.write(page())


if __name__ == "__main__":
    main()
