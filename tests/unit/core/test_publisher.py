"""Which server publishes to a subscription, by what is known of it."""

from __future__ import annotations

from pgconflict.core.publisher import Address, Candidate, Certainty, Wanted, match

A = Candidate(
    node="a",
    system_identifier=1,
    address=Address("db1", "5432"),
    application_name="sub",
)
C = Candidate(
    node="c",
    system_identifier=3,
    address=Address("db3", "5432"),
    application_name=None,
)


def test_the_surest_sign_decides() -> None:
    wanted = Wanted(subname="sub", system_identifier=3, address=Address("db1", "5432"))

    assert match(wanted, [A, C]).node == "c"
    assert match(wanted, [A, C]).certainty is Certainty.IDENTITY
    assert match(Wanted(subname="sub", named="a"), [A, C]).certainty is Certainty.NAMED
    by_address = match(Wanted(subname="x", address=Address("db3", "5432")), [A, C])
    assert (by_address.node, by_address.certainty) == ("c", Certainty.ADDRESS)
    by_worker = match(Wanted(subname="sub"), [A, C])
    assert (by_worker.node, by_worker.certainty) == ("a", Certainty.WALSENDER)


def test_a_name_alone_must_be_the_only_one_and_proves_nothing() -> None:
    alone = match(Wanted(subname="x"), [C])
    assert (alone.node, alone.certainty) == ("c", Certainty.SLOT_NAME)
    assert not Certainty.SLOT_NAME.proves
    assert not Certainty.WALSENDER.proves
    assert Certainty.IDENTITY.proves
    several = match(Wanted(subname="x"), [A, C])
    assert several.node is None
    assert several.why_not == "several nodes have a slot of that name: a, c"


def test_a_server_elsewhere_is_none_of_these() -> None:
    assert match(Wanted(subname="sub", system_identifier=9), [A, C]).node is None
    assert match(Wanted(subname="sub", named="b"), [A]).why_not == (
        "node b has no such slot"
    )
    assert match(Wanted(subname="sub"), []).why_not == (
        "no configured node has a slot of that name"
    )


def test_two_names_of_one_server_are_one() -> None:
    again = Candidate(
        node="a2", system_identifier=3, address=None, application_name=None
    )

    assert match(Wanted(subname="x"), [C, again]).node == "c"
