"""Subscriptions by owner: a setting of the owner counts for all its apply workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgconflict.server.statements import identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pgconflict.server.checks.facts import Facts, Subscription


def by_owner(
    facts: Facts, setting: str, meaning: Callable[[str], str]
) -> Iterator[tuple[str | None, list[Subscription]]]:
    """Yield each value of a setting, with the subscriptions of one owner that have it.

    None is a value that can't be known. `meaning` is applied to the others.
    """
    groups: dict[tuple[str, str | None], list[Subscription]] = {}
    for subscription in facts.subscriptions:
        value = facts.worker_setting(setting, subscription)
        known = None if value is None else meaning(value)
        groups.setdefault((subscription.owner, known), []).append(subscription)
    for (_, value), group in groups.items():
        yield value, group


def restart(group: Iterable[Subscription]) -> list[str]:
    """Return what makes workers start anew, with the settings that count by then.

    The launcher starts them again. Disabling and enabling at once is no way: the
    worker looks when both are over, and goes on (seen on 15).
    """
    running = ", ".join(str(one.subid) for one in group if one.enabled)
    if not running:
        return []
    return [
        (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_subscription"
            f" WHERE subid IN ({running}) AND pid IS NOT NULL;"
        )
    ]


def names(group: Sequence[Subscription]) -> str:
    """Return the subscriptions of one owner, in words."""
    noun = "subscription" if len(group) == 1 else "subscriptions"
    listed = ", ".join(
        f"{identifier(one.name)} in database {identifier(one.database)}"
        for one in group
    )
    return f"{noun} {listed} (owner {identifier(group[0].owner)})"
