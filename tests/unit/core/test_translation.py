"""Every template of every catalog, rendered and made English again."""

from __future__ import annotations

import re

import pytest

from pgconflict.core.frame import Frame, read_frame, split_context
from pgconflict.core.messages import in_english, started, story
from pgconflict.core.translation import (
    FRAME,
    catalogs,
    english_frame,
    english_message,
    labels,
    severities,
)

ARGUMENT = re.compile(r"%(?:(\d+)\$)?(?:0?8?X|[sud])")
# In the order of the English frame: origin, type, schema, table, [column,] xid, LSN.
NAMES = ["pg_16702", "UPDATE", 'We"ird, S', 'T. "x" (1)']
LANGUAGES = sorted(catalogs())


def rendered(template: str, arguments: list[str]) -> str:
    """The template as the server fills it."""
    numbers = iter(range(1, 100))
    return ARGUMENT.sub(
        lambda match: arguments[int(match[1] or next(numbers)) - 1], template
    )


def frame_arguments(english: str) -> list[str]:
    arguments = list(NAMES[:2])
    if "target relation" in english:
        arguments += NAMES[2:]
    if " column " in english:
        arguments.append("c d")
    if "in transaction" in english:
        arguments.append("769")
    if "finished at" in english:
        arguments += ["0", "1BB5CA8"]
    return arguments


@pytest.mark.parametrize("language", LANGUAGES)
def test_frames_of_every_language_are_read(language: str) -> None:
    for english, texts in catalogs()[language].items():
        if not english.startswith(FRAME):
            continue
        arguments = frame_arguments(english)
        for text in texts:
            frame = rendered(text, arguments)

            assert english_frame(frame) == rendered(english, arguments).replace(
                "0/01BB5CA8", "0/1BB5CA8"
            )
            relation = ".".join(NAMES[2:]) if "target relation" in english else None
            xid = 769 if "in transaction" in english else None
            lsn = 0x1BB5CA8 if "finished at" in english else None
            expected = Frame("pg_16702", "UPDATE", relation, xid, lsn)
            assert split_context(frame) == (expected, False)
            assert split_context(f"PL/x\n{frame}") == (expected, True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_of_every_language_are_recognised(language: str) -> None:
    for english, texts in catalogs()[language].items():
        for text in texts:
            if "has started" in english:
                arguments = ['s "1"', "t"][: english.count("%s")]
                begins = started(in_english(rendered(text, arguments)))
                assert begins is not None
                assert begins.subname == 's "1"'
                assert begins.relname == (arguments[1] if arguments[1:] else None)
            elif "skipping" in english:
                told = story(in_english(rendered(text, ["0", "1AB"])))
                assert told is not None
                assert told.lsn == 0x1AB
            elif "disabled" in english or "cleared" in english:
                told = story(in_english(rendered(text, ["s"])))
                assert told is not None
                assert told.subname == "s"
            elif english.startswith("conflict"):
                message = english_message(
                    rendered(text, ["a.b", 'c"', "update_missing"])
                )
                assert message == (
                    'conflict detected on relation "a.b.c"": conflict=update_missing'
                )


def test_severities_mean_one_thing() -> None:
    ambiguous = {
        text
        for messages in catalogs().values()
        for word, texts in messages.items()
        if word in {"LOG", "ERROR"}
        for text in texts
        if severities()[text] != word
    }

    assert ambiguous == set()


def test_every_label_is_known() -> None:
    assert set(labels().values()) == {
        *("DETAIL", "HINT", "QUERY", "CONTEXT", "BACKTRACE", "STATEMENT", "LOCATION")
    }


def test_a_name_that_imitates_the_words_is_not_guessed_at() -> None:
    text = catalogs()["de"][
        f'{FRAME} "%s" during message type "%s" for replication '
        'target relation "%s.%s" in transaction %u'
    ][0]
    hostile = "x« in Transaktion 5 für Replikationszielrelation »y"

    frame = english_frame(rendered(text, ["pg_1", "INSERT", "s", hostile, "7"]))

    assert frame is None or read_frame(frame) is not None
    assert frame is None or f"s.{hostile}" in frame
