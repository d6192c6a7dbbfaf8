"""Files for other programs, as they lie in the wheel or beside a checkout's package.

Somebody who installed with pipx has no checkout to copy them from.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Final

_PACKAGE: Final = Path(__file__).parent.parent

EXAMPLES: Final = MappingProxyType(
    {
        "configuration": "config/pgconflict.example.yml",
        "unit": "systemd/pgconflict.service",
        "rules": "config/prometheus-rules.yml",
        "dashboard": "config/grafana/dashboards/pgconflict.json",
    }
)
"""What can be printed, and where it lies in a checkout."""


def example(name: str) -> str:
    """The text of one of EXAMPLES."""
    path = EXAMPLES[name]
    # The wheel has a name of its own for config/: pgconflict/config is a module.
    packaged = _PACKAGE / path.replace("config/", "config_files/", 1)
    place = packaged if packaged.is_file() else _PACKAGE.parent / path
    return place.read_text(encoding="utf-8")
