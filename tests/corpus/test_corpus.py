"""Real logs of 15 to 19 through scan, in each format, against what really happened."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from pgconflict.cli.main import main
from pgconflict.core.conflict import Status
from tests.corpus.ground_truth import (
    Record,
    Run,
    attempts,
    differences,
    kind_of,
    matches,
    runs,
    unprovoked,
)

FORMATS = ("json", "csv", "stderr")
RUNS = runs()
NODES = ("A", "B")


def scan(
    capsys: pytest.CaptureFixture[str], run: Run, node: str, *formats: str
) -> list[Record]:
    files = [str(run.path / node / f"{each}.log.gz") for each in formats]
    code = main(["--json", "scan", *files])
    assert code == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def is_terse(run: Run, node: str, log_format: str) -> bool:
    """Whether the log lacks DETAIL and CONTEXT, and with them most of the truth."""
    settings = run.settings[node]
    return log_format == "stderr" and settings["log_error_verbosity"] == "terse"


def pair(
    expected: list[Record], records: list[Record]
) -> tuple[list[tuple[Record, Record]], list[str], list[Record]]:
    """Pairs of truth and record, truths without a record, records without a truth."""
    left = list(records)
    pairs, missing = [], []
    for truth in expected:
        found = next((each for each in left if matches(truth, each)), None)
        if found is None:
            missing.append(truth["case"])
        else:
            left.remove(found)
            pairs.append((truth, found))
    return pairs, missing, left


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_scan_finds_everything_nothing_else_and_says_nothing_wrong(
    run: Run, log_format: str, node: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if is_terse(run, node, log_format):
        pytest.skip("a terse stderr log does not tell the transaction")
    records = scan(capsys, run, node, log_format)

    pairs, missing, extra = pair(run.expected(node), records)

    assert missing == []
    assert [each for each in extra if not unprovoked(each)] == []
    wrong = [
        (truth["case"], difference)
        for truth, record in pairs
        for difference in differences(truth, record, run.major)
    ]
    assert wrong == []


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_attempts_are_how_often_it_was_logged(
    run: Run, log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for node in NODES:
        if is_terse(run, node, log_format):
            continue
        records = scan(capsys, run, node, log_format)

        pairs, _, _ = pair(run.expected(node), records)

        counted = {truth["case"]: record["attempts"] for truth, record in pairs}
        # Only of what stops apply the truth knows each entry for certain.
        known = {
            truth["case"]: attempts(truth)
            for truth, _ in pairs
            if truth["severity"] == "ERROR" and "logged" in truth
        }
        assert {case: counted[case] for case in known} == known


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_two_formats_of_one_log_are_one_log(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for node in NODES:
        alone = scan(capsys, run, node, "json")

        together = scan(capsys, run, node, "json", "csv", "json")

        assert together == [
            each | {"source": other["source"]}
            for each, other in zip(alone, together, strict=True)
        ]


@pytest.mark.parametrize(
    "run", [run for run in RUNS if run.path.name == "terse"], ids=lambda run: run.name
)
def test_a_terse_log_still_tells_what_is_certain(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for node in NODES:
        full = scan(capsys, run, node, "json")

        terse = scan(capsys, run, node, "stderr")

        def counted(records: list[Record], *fields: str) -> Counter[tuple[object, ...]]:
            count: Counter[tuple[object, ...]] = Counter()
            for record in records:
                words = tuple(str(record[field]) for field in fields)
                count[words] += record["attempts"]
            return count

        # 15-17: without CONTEXT an INSERT can't be told from an UPDATE, and a
        # conflict of apply not from one in a trigger.
        fields = ("conflict_type", "relname") if run.major >= 18 else ("index_names",)
        assert counted(terse, "subname", *fields) == counted(full, "subname", *fields)
        for record in terse:
            assert record["detail"] is None
            assert record["remote_xid"] is None
            assert record["local_conflicts"] in ([], [*record["local_conflicts"]])


def test_forged_records_make_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    [run] = [run for run in RUNS if run.path.name == "spoof"]
    for log_format in FORMATS:
        records = scan(capsys, run, "B", log_format)

        found = [each for each in records if each["kind"] == "conflict"]
        expected = [
            each for each in run.expected("B") if kind_of(each)[0] == "conflict"
        ]
        assert len(found) == len(expected) == 2


def test_skipped_transactions_are_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    for run in RUNS:
        records = scan(capsys, run, "B", "json")
        pairs, _, _ = pair(run.expected("B"), records)
        for truth, record in pairs:
            if truth.get("resolution") == "skip":
                assert record["status"] == "skipped", truth["case"]
            elif truth["severity"] == "LOG":
                assert record["status"] == "applied", truth["case"]
            else:
                assert record["status"] in set(Status)
