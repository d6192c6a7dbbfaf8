"""Which rows are sent for certain, of several publications."""

from __future__ import annotations

import pytest

from pgconflict.core.row_filter import (
    OPERATIONS,
    FilterColumn,
    Published,
    RowFilter,
    row_filter,
)

ALL = frozenset(OPERATIONS)
REGION = FilterColumn("region", "text", '"pg_catalog"."default"')
AMOUNT = FilterColumn("amount", "numeric(9,2)", None)


def sent(
    condition: str | None, *operations: str, columns: tuple[FilterColumn, ...] = ()
) -> Published:
    return Published(
        operations=frozenset(operations) or ALL, condition=condition, columns=columns
    )


@pytest.mark.parametrize(
    ("published", "conditions", "complete"),
    [
        ([], None, None),
        ([sent(None)], None, None),
        ([sent("(a)")], ("(a)",), True),
        ([sent("(a)"), sent("(b)")], ("((a) or (b))",), True),
        ([sent("(a)"), sent("(a)")], ("(a)",), True),
        ([sent("(a)"), sent(None)], None, None),
        # Inserts are all sent, what comes after is not.
        ([sent("(a)"), sent(None, "insert")], ("(a)",), True),
        ([sent("(a)", "insert"), sent(None, "update", "delete")], ("(a)",), True),
        (
            [sent("(a)"), sent("(b)", "insert"), sent("(c)", "delete")],
            ("((a) or (b))", "(a)", "((a) or (c))"),
            True,
        ),
        (
            [sent(None, "insert"), sent(None, "update", "delete"), sent("(a)")],
            None,
            None,
        ),
        ([sent("(a)", "insert")], ("(a)",), False),
        (
            [sent("(a)", "insert", "update"), sent("(b)", "update")],
            ("(a)", "((a) or (b))"),
            False,
        ),
    ],
)
def test_a_row_must_pass_for_every_operation(
    published: list[Published],
    conditions: tuple[str, ...] | None,
    complete: bool | None,  # noqa: FBT001 - a parameter
) -> None:
    found = row_filter(published)

    if conditions is None:
        assert found is None
    else:
        assert found is not None
        assert (found.conditions, found.complete) == (conditions, complete)


def both() -> RowFilter:
    found = row_filter([sent("(a)", columns=(REGION,)), sent("(b)", columns=(AMOUNT,))])
    assert found is not None
    return found


TYPES = {"id": "integer", "region": "text", "amount": "numeric(9,2)"}


def test_it_is_told_of_the_values_of_its_columns_and_their_types() -> None:
    names = list(TYPES)
    assert both().readable(names, TYPES, TYPES)
    assert not both().readable(["id", "region"], TYPES, TYPES)
    assert not both().readable(names, TYPES, TYPES | {"amount": "numeric"})
    assert not both().readable(names, {"id": "integer"}, TYPES)
