"""Synchronises the sequences of two nodes: look at both, plan, move, look again.

Nothing is remembered between the steps but what the nodes say: interrupted anywhere,
the next run finds less to do and does it.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING, Final

from pgconflict.core.sequence_plan import Plan, plan
from pgconflict.core.sequence_policy import Policy
from pgconflict.core.sequence_proof import Proof, prove
from pgconflict.core.sequence_rate import distances, rates
from pgconflict.errors import ConfigError
from pgconflict.server.connect import translated
from pgconflict.server.sequence_advance import Applied, Patience, apply
from pgconflict.server.sequence_columns import Answers, read_columns, values_ahead

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgconflict.core.sequence import SequenceColumn, SequenceName
    from pgconflict.core.sequence_rate import Rates
    from pgconflict.server.sequence_reader import Progress
    from pgconflict.server.sequences import SequenceNode, States

Watch = "Callable[[str, int], Progress]"

NO_PATIENCE_GIVEN: Final = Patience()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sequences are meant; without anything all of them."""

    schemas: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    """Of names: shell patterns, with or without the schema."""

    def __post_init__(self) -> None:
        joined = "|".join(translate(pattern) for pattern in self.patterns)
        object.__setattr__(self, "_regex", re.compile(joined))

    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    async def read(
        self, node: SequenceNode, progress: Progress | None = None
    ) -> States:
        """Return the node's sequences that are meant, by name."""
        wanted = self.has if self.patterns else None
        return await node.states(schemas=self.schemas, wanted=wanted, progress=progress)

    def has(self, name: SequenceName) -> bool:
        """Whether this sequence is meant."""
        if self.schemas and name.schemaname not in self.schemas:
            return False
        if not self.patterns:
            return True
        return bool(self._regex.match(name.sequencename)) or bool(
            self._regex.match(str(name))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the operator asked for."""

    choice: Choice = Choice()
    policy: Policy = field(default_factory=Policy)
    margin_s: float | None = None
    """The margin as a time: the source's rate is measured for `sample_s`."""

    sample_s: float = 3.0
    check_columns: bool = False


def no_watch(_label: str, _total: int) -> Progress:
    """Show no progress."""
    return lambda _count: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Both nodes at one time, and what follows."""

    request: Request
    sources: States
    targets: States
    answers: Answers | None
    rates: Rates | None
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a synchronisation did, and what can be proved of it."""

    look: Look
    applied: Applied
    proof: Proof


async def refuse_same(source: SequenceNode, target: SequenceNode) -> None:
    """Raise ConfigError when two names mean the same database of the same server."""
    answers = []
    for node in (source, target):
        with translated(node.who):
            answers.append((await node.fetch("server_identity"))[0])
    if answers[0] == answers[1]:
        raise ConfigError(
            f"nodes {source.name} and {target.name} are the same database"
            f" {source.database} of the same server",
            hint="look at the dsn of both nodes",
        )


async def read_both(
    source: SequenceNode,
    target: SequenceNode,
    choice: Choice,
    progress: Progress | None = None,
) -> tuple[States, States]:
    """Return the chosen sequences of two nodes, asked at the same time."""
    sources, targets = await asyncio.gather(
        *(choice.read(node, progress) for node in (source, target))
    )
    return sources, targets


async def measure(
    node: SequenceNode, choice: Choice, seconds: float
) -> tuple[Rates, States]:
    """Return how fast sequences move, and where they are after that time."""
    before = await choice.read(node)
    began = time.monotonic()
    await asyncio.sleep(seconds)
    after = await choice.read(node)
    return rates(before, after, time.monotonic() - began), after


async def look(
    source: SequenceNode,
    target: SequenceNode,
    request: Request,
    progress: Progress | None = None,
) -> Look:
    """Read both nodes and plan.

    Raises:
        NodeUnavailableError: a node can't be read.
    """
    policy, measured = request.policy, None
    if request.margin_s is not None:
        measured, _ = await measure(source, request.choice, request.sample_s)
    sources, targets = await read_both(source, target, request.choice, progress)
    if measured is not None and request.margin_s is not None:
        own = distances(measured, sources, request.margin_s)
        policy = _with_distances(policy, own)
    answers = await _ask_columns(target, targets, request)
    missing = any(name not in targets for name in sources)
    owners = await _owners(source, request) if missing else None
    values = answers.values if answers else None
    made = plan(sources, targets, policy, values, owners)
    return Look(
        request=request,
        sources=sources,
        targets=targets,
        answers=answers,
        rates=measured,
        plan=made,
    )


def _with_distances(policy: Policy, own: dict[SequenceName, int]) -> Policy:
    return Policy(
        distances=own,
        stride=policy.stride,
        allow_backwards=policy.allow_backwards,
        with_definition=policy.with_definition,
        create_missing=policy.create_missing,
    )


async def _ask_columns(
    target: SequenceNode, targets: States, request: Request
) -> Answers | None:
    if not request.check_columns:
        return None
    columns = await read_columns(target, request.choice.schemas)
    return await values_ahead(target, targets, columns)


async def _owners(source: SequenceNode, request: Request) -> dict[int, SequenceColumn]:
    columns = await read_columns(source, request.choice.schemas)
    return {oid: found[0] for oid, found in columns.items() if found and found[0].owns}


async def move_and_prove(
    source: SequenceNode,
    target: SequenceNode,
    seen: Look,
    patience: Patience = NO_PATIENCE_GIVEN,
    *,
    watch: Callable[[str, int], Progress] = no_watch,
) -> Done:
    """Make the plan's changes, then read everything again and prove it.

    Raises:
        NodeUnavailableError: a connection was lost; run it again.
    """
    changes = [advance.change for advance in seen.plan.advances]
    applied = Applied()
    if changes:
        progress = watch("moving sequences", len(changes))
        applied = await apply(target, changes, patience, progress=progress)
    proof = await prove_again(source, target, seen, applied, watch=watch)
    return Done(look=seen, applied=applied, proof=proof)


async def prove_again(
    source: SequenceNode,
    target: SequenceNode,
    seen: Look,
    applied: Applied,
    *,
    watch: Callable[[str, int], Progress] = no_watch,
) -> Proof:
    """Read both nodes again and compare; the plan is not trusted."""
    request = seen.request
    progress = watch("reading again", len(seen.sources) + len(seen.targets))
    sources, targets = await read_both(source, target, request.choice, progress)
    answers = await _ask_columns(target, targets, request)
    return prove(
        seen.plan,
        applied.results,
        before=seen.targets,
        sources=sources,
        targets=targets,
        column_values=answers.values if answers else None,
    )
