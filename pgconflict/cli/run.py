"""`pgconflict run`: the daemon."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from pgconflict.config import load
from pgconflict.daemon.messages import LOGGER, to_standard_error
from pgconflict.daemon.service import Service

if TYPE_CHECKING:
    import argparse

DEFECT = 1
"""Exit code; systemd starts the daemon again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take none: the configuration has everything."""
    parser.epilog = (
        "SIGTERM and SIGINT end it within 5 seconds, SIGHUP makes it read its"
        " configuration again; nothing is lost by either"
    )


def run(arguments: argparse.Namespace) -> int:
    """Work until told to stop; 0, or 1 after a defect."""
    to_standard_error()
    try:
        asyncio.run(Service(partial(load, arguments.config)).run())
    except ExceptionGroup:
        LOGGER.critical("a defect in pgconflict", exc_info=True)
        return DEFECT
    return 0
