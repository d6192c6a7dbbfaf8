"""Makes pgconflict/core/translations.json from PostgreSQL's own message catalogs.

Usage: python tools/message_catalogs.py DIR...

Each DIR is a share/locale directory of an installed server; several majors can be
given, and their translations are kept side by side. Only the messages by which a
conflict is recognised are taken; one that no catalog has is an error, so that a
renamed message is seen. Run it again when a major version comes out.
"""

from __future__ import annotations

import gettext
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "pgconflict" / "core" / "translations.json"

SUBSCRIPTION = 'for subscription "%s"'
FRAME = 'processing remote data for replication origin "%s" during message type "%s"'
RELATION = ' for replication target relation "%s.%s"'
EXISTS = 'Key already exists in unique index "%s", modified '
MISSING = "Could not find the row to be "

MESSAGES = [
    *("LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "DEBUG"),
    *("DETAIL:  ", "HINT:  ", "QUERY:  ", "CONTEXT:  ", "BACKTRACE:  ", "STATEMENT:  "),
    *("LOCATION:  %s, %s:%d\n", "LOCATION:  %s:%d\n"),
    'conflict detected on relation "%s.%s": conflict=%s',
    'duplicate key value violates unique constraint "%s"',
    "Key %s already exists.",
    f"logical replication apply worker {SUBSCRIPTION} has started",
    (
        f'logical replication table synchronization worker {SUBSCRIPTION}, table "%s" has'
        " started"
    ),
    (
        f'logical replication table synchronization worker {SUBSCRIPTION}, table "%s" has'
        " finished"
    ),
    f"logical replication sequence synchronization worker {SUBSCRIPTION} has started",
    f"logical replication sequence synchronization worker {SUBSCRIPTION} has finished",
    f"logical replication parallel apply worker {SUBSCRIPTION} has finished",
    f"logical replication sequence synchronization failed {SUBSCRIPTION}",
    *(
        f'{worker}subscription "%s" could not connect to the publisher: %s'
        for worker in (
            "",
            "apply worker for ",
            "table synchronization worker for ",
            "sequencesync worker for ",
        )
    ),
    *(
        f'logical replication target relation "%s.%s" {what}'
        for what in (
            "does not exist",
            "is missing replicated column: %s",
            "has incompatible generated column: %s",
            "uses system columns in REPLICA IDENTITY index",
            (
                "has neither REPLICA IDENTITY index nor PRIMARY KEY and published relation"
                " does not have REPLICA IDENTITY FULL"
            ),
        )
    ),
    (
        "publisher did not send replica identity column expected by the logical"
        ' replication target relation "%s.%s"'
    ),
    "logical replication parallel apply worker exited due to error",
    "logical replication parallel apply worker",
    "logical replication starts skipping transaction at LSN %X/%X",
    "logical replication starts skipping transaction at LSN %X/%08X",
    "logical replication completed skipping transaction at LSN %X/%X",
    "logical replication completed skipping transaction at LSN %X/%08X",
    'skip-LSN of subscription "%s" cleared',
    'subscription "%s" has been disabled because of an error',
    *(
        f"{what}: %s"
        for what in (
            "could not receive data from WAL stream",
            "could not send data to WAL stream",
            "could not send end-of-streaming message to primary",
            "error while shutting down streaming COPY",
            "error reading result of streaming command",
            "unexpected result after CommandComplete",
        )
    ),
    "unexpected result set after end-of-streaming",
    "terminating logical replication worker due to timeout",
    FRAME,
    f"{FRAME} in transaction %u",
    f"{FRAME} in transaction %u, finished at %X/%X",
    f"{FRAME} in transaction %u, finished at %X/%08X",
    f"{FRAME}{RELATION} in transaction %u",
    f"{FRAME}{RELATION} in transaction %u, finished at %X/%X",
    f"{FRAME}{RELATION} in transaction %u, finished at %X/%08X",
    f'{FRAME}{RELATION} column "%s" in transaction %u',
    f'{FRAME}{RELATION} column "%s" in transaction %u, finished at %X/%X',
    f'{FRAME}{RELATION} column "%s" in transaction %u, finished at %X/%08X',
    *(
        f"{EXISTS}{how}{end}"
        for how in (
            "locally in transaction %u at %s",
            'by origin "%s" in transaction %u at %s',
            "by a non-existent origin in transaction %u at %s",
            "in transaction %u",
        )
        for end in (".", ": %s.")
    ),
    *(
        f"{verb} the row that was modified {how} in transaction %u at %s{end}"
        for verb in ("Updating", "Deleting")
        for how in (
            "locally",
            'by a different origin "%s"',
            "by a non-existent origin",
        )
        for end in (".", ": %s.")
    ),
    *(f"{MISSING}updated{end}" for end in (".", ".\n", ": %s.", ": %s.\n")),
    *(f"{MISSING}deleted{end}" for end in (".", ": %s.")),
    *("Could not apply remote change.\n", "Could not apply remote change: %s.\n"),
    "The row to be updated was deleted.",
    *(
        f"The row to be updated was deleted {how} in transaction %u at %s."
        for how in (
            "locally",
            'by a different origin "%s"',
            "by a non-existent origin",
        )
    ),
    *("key %s", "local row %s", "remote row %s", "replica identity %s"),
    "existing local row %s",  # 18
    *("replica identity full %s", ", "),
]


def main(directories: list[str]) -> None:
    """Write the file; complain about messages that are nowhere."""
    known: set[str] = set()
    languages: dict[str, dict[str, list[str]]] = {}
    for directory in directories:
        for path in sorted(Path(directory).glob("*/LC_MESSAGES/postgres-*.mo")):
            with path.open("rb") as file:
                catalog: dict[Any, str] = vars(gettext.GNUTranslations(file))[
                    "_catalog"
                ]
            # Of a message with plural forms the catalog has (message, number).
            known |= {k if isinstance(k, str) else k[0] for k in catalog}
            messages = languages.setdefault(path.parts[-3], {})
            for message in MESSAGES:
                seen = messages.setdefault(message, [])
                for key in (message, *((message, number) for number in range(6))):
                    text = catalog.get(key)
                    if text and text != message and text not in seen:
                        seen.append(text)
    if lost := [message for message in MESSAGES if message not in known]:
        raise SystemExit("in no catalog: " + "\n".join(map(repr, lost)))
    translated = {
        language: {message: texts for message, texts in messages.items() if texts}
        for language, messages in sorted(languages.items())
    }
    TARGET.write_text(
        json.dumps(translated, ensure_ascii=False, indent=0, sort_keys=True) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
