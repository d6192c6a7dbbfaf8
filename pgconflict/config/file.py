"""Finds the configuration file, and says everything that is wrong with it at once."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from pgconflict.config import sequence_keys
from pgconflict.config.models import Config
from pgconflict.config.source import KeyPath, Problem, Source, read
from pgconflict.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

PLACES: Final = (
    Path("/etc/pgconflict/pgconflict.yml"),
    Path("pgconflict.yml"),
)
VARIABLE: Final = "PGCONFLICT_CONFIG"


class ConfigFileError(ConfigError):
    """A configuration file is wrong; `problems` has everything, by line."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        lines = [f"{path}: {problem}" for problem in self.problems]
        super().__init__("\n".join(lines))


def find(
    given: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Path:
    """Return the file to use: the given one, PGCONFLICT_CONFIG's, or a default.

    Raises:
        ConfigError: none of the default files exists.
    """
    if given is not None:
        return given
    if named := environment.get(VARIABLE):
        return Path(named)
    for place in PLACES:
        if place.exists():
            return place
    raise ConfigError(
        f"no configuration file: neither {' nor '.join(map(str, PLACES))} exists",
        hint=f"name one with --config FILE or {VARIABLE}",
    )


def load(given: Path | None = None) -> Config:
    """Return the configuration of the file that `find` finds.

    Raises:
        ConfigError: there is no file, or it can't be read.
        ConfigFileError: the file is wrong.
    """
    path = find(given)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 at byte {error.start}") from None
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """Return the configuration that the text is; `path` is for messages and folders.

    Raises:
        ConfigFileError: the text is wrong.
    """
    source = read(text)
    problems = list(source.problems)
    if source.data is None and not problems:
        problems.append(Problem(1, (), "the file is empty"))
    if problems and source.data is None:
        raise ConfigFileError(path, problems)
    problems += _between_keys(source)
    try:
        config = Config.model_validate(
            source.data, context={"folder": path.absolute().parent}
        )
    except ValidationError as error:
        problems += [_problem(detail, source) for detail in error.errors()]
    if problems:
        raise ConfigFileError(path, problems)
    return config


def _between_keys(source: Source) -> Iterator[Problem]:
    """Find what is wrong between keys; a value of the wrong type is passed over."""
    names: Counter[str] = Counter()
    for place, node in enumerate(_items(_at(source.data, "nodes"))):
        name = _at(node, "name")
        if isinstance(name, str):
            names[name] += 1
            if names[name] > 1:
                path: KeyPath = ("nodes", place, "name")
                yield Problem(
                    source.line(path), path, f"another node has the name {name!r}"
                )
    sequences = _at(source.data, "sequences")
    for path, text in sequence_keys.problems(sequences, set(names)):
        yield Problem(source.line(path), path, text)
    metrics = _at(source.data, "metrics")
    for one, other in (
        ("tls_cert_file", "tls_key_file"),
        ("tls_key_file", "tls_cert_file"),
    ):
        if _at(metrics, one) and not _at(metrics, other):
            path = ("metrics", one)
            yield Problem(source.line(path), path, f"needs {other} beside it")
    conflict_log = _at(source.data, "conflict_log")
    for place, rule in enumerate(_items(_at(conflict_log, "rules"))):
        if _at(rule, "action") == "hash" and not _at(conflict_log, "hash_key_file"):
            path = ("conflict_log", "rules", place, "action")
            text = "hash needs conflict_log.hash_key_file"
            yield Problem(source.line(path), path, text)


def _at(data: object, key: str) -> object:
    return data.get(key) if isinstance(data, dict) else None


def _items(data: object) -> list[object]:
    return data if isinstance(data, list) else []


def _problem(detail: ErrorDetails, source: Source) -> Problem:
    path: KeyPath = detail["loc"]
    return Problem(source.line(path), path, _text(detail, path))


_TYPES: Final = {
    "missing": "is missing",
    "string_type": "must be text; a number or yes/no needs quotes",
    "string_too_short": "is empty",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "too_short": "must name at least one",
}


def _text(detail: ErrorDetails, path: KeyPath) -> str:
    kind = detail["type"]
    context: dict[str, Any] = detail.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]), _keys(path[:-1]), 1, 0.7)
        return f"unknown key; did you mean {near[0]}?" if near else "unknown key"
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    return detail["msg"]


def _keys(path: KeyPath) -> list[str]:
    """Return the keys that may stand in the section at this path."""
    model: type[BaseModel] = Config
    for name in path:
        if isinstance(name, str):
            model = _section_type(model, name)
    return [field.alias or name for name, field in model.model_fields.items()]


def _section_type(model: type[BaseModel], name: str) -> type[BaseModel]:
    annotation = model.model_fields[name].annotation
    inner = getattr(annotation, "__args__", (annotation,))[0]
    return inner if isinstance(inner, type) else model
