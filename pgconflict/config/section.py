"""What every section of the configuration file has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of keys to values: frozen, strict, without unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def listed(value: object) -> object:
    """Return a list as a tuple: strict models take no list for one."""
    return tuple(value) if isinstance(value, list) else value


def section(value: object) -> object:
    """Return a section whose every line is commented out, which YAML makes null."""
    return {} if value is None else value
