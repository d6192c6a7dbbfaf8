"""Whether a transaction may be skipped: is it the one that keeps apply from going on?

ALTER SUBSCRIPTION ... SKIP takes any LSN beyond the origin's. One that is never met
waits until another transaction is applied and goes away with a warning; one that is
met by chance loses a transaction that nobody meant. So the LSN is compared with what
would be applied next.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pgconflict.core.lsn import format_lsn
from pgconflict.core.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Sequence


class Refusal(StrEnum):
    """Why a transaction is not skipped; the names are stable."""

    NOTHING_BLOCKS = "nothing_blocks"
    NO_LSN = "no_lsn"
    PAST = "past"
    RESOLVED = "resolved"
    NOT_NEXT = "not_next"
    NO_SUCH_TRANSACTION = "no_such_transaction"
    NOT_COMMITTED = "not_committed"
    UNPROVEN = "unproven"
    ANOTHER_SKIP = "another_skip"


class Stall(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that stopped apply, as the conflict log has it."""

    lsn: int | None
    """None: parallel apply did not log it."""

    xid: int | None
    status: str
    """open, disabled: it may stand in the way; applied, skipped: it does not."""

    @property
    def unfinished(self) -> bool:
        """Whether the conflict log takes it for what stands in the way."""
        return self.status in ("open", "disabled")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the subscription has come, from three places."""

    origin_lsn: int | None
    """End of the last transaction applied; None: our role may not see it."""

    confirmed_lsn: int | None
    """What the subscriber told the publisher's slot; None: no slot was found."""

    skip_lsn: int
    """What ALTER SUBSCRIPTION ... SKIP has set already; 0: nothing."""

    enabled: bool

    failing: bool
    """Whether apply was seen to fail while we looked."""

    @property
    def passed(self) -> int:
        """What the subscription has surely come past; 0 where nobody knows.

        A worker confirms to the publisher what it has received only up to the
        transaction that it is applying. Source: worker.c, send_feedback(), 15 to 19.
        """
        return max(self.origin_lsn or 0, self.confirmed_lsn or 0)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be skipped, or why nothing is."""

    lsn: int | None
    xid: int | None = None
    refusal: Refusal | None = None
    because: str
    transaction: Transaction | None = None
    proven: bool = False
    """Whether the publisher's slot shows that it comes next."""


def target(wanted: int | None, stalls: Sequence[Stall], passed: int) -> Stall | None:
    """Return what is to be skipped: the LSN asked for, else what stopped apply first.

    Transactions are applied one after the other, so the lowest LSN of those
    unfinished is the one in the way; one without an LSN is it if there is no other.
    """
    if wanted is not None:
        known = [stall for stall in stalls if stall.lsn == wanted]
        return known[0] if known else Stall(lsn=wanted, xid=None, status="unknown")
    unfinished = [stall for stall in stalls if stall.unfinished]
    with_lsn = sorted(
        (stall for stall in unfinished if stall.lsn is not None),
        key=lambda stall: stall.lsn or 0,
    )
    ahead = [stall for stall in with_lsn if (stall.lsn or 0) >= passed]
    without = [stall for stall in unfinished if stall.lsn is None]
    return next(iter([*ahead, *without, *with_lsn]), None)


def judge(
    wanted: int | None,
    stalls: Sequence[Stall],
    progress: Progress,
    pending: Sequence[Transaction] | None,
) -> Verdict:
    """Return whether the transaction at `wanted` is the one that blocks.

    Args:
        wanted: The LSN that the operator named; None: the conflict log's.
        stalls: Of the subscription, from the conflict log.
        progress: Of the subscription.
        pending: What the publisher's slot would send next, in its order, without
            what was applied; None: it could not be looked at.
    """
    stall = target(wanted, stalls, progress.passed)
    if stall is None:
        return Verdict(
            lsn=None,
            refusal=Refusal.NOTHING_BLOCKS,
            because="the conflict log has no open conflict of this subscription that"
            " stopped apply; --lsn names a transaction that it does not know",
        )
    if stall.lsn is None:
        found = _by_xid(stall, pending)
        if isinstance(found, Verdict):
            return found
        stall = msgspec.structs.replace(stall, lsn=found)
    lsn = stall.lsn or 0
    return (
        _elsewhere(lsn, stall, progress)
        or _not_blocked(lsn, stall, progress)
        or _by_slot(lsn, stall, progress, pending)
        or _by_record(lsn, stall, stalls, progress, pending or ())
    )


def settled(wanted: int | None, stalls: Sequence[Stall], progress: Progress) -> bool:
    """Whether there is nothing to look for: no need to trouble the publisher."""
    stall = target(wanted, stalls, progress.passed)
    if stall is None:
        return True
    return stall.lsn is not None and _elsewhere(stall.lsn, stall, progress) is not None


def _by_xid(stall: Stall, pending: Sequence[Transaction] | None) -> int | Verdict:
    if pending is None:
        return Verdict(
            lsn=None,
            xid=stall.xid,
            refusal=Refusal.NO_LSN,
            because=f"transaction {stall.xid} was logged by parallel apply, without its"
            " LSN, and the publisher's slot could not be looked at",
        )
    for transaction in pending:
        if transaction.xid == stall.xid:
            return transaction.lsn
    return Verdict(
        lsn=None,
        xid=stall.xid,
        refusal=Refusal.NOT_COMMITTED,
        because=f"transaction {stall.xid} is not among what the publisher would send:"
        " it has not committed there yet, or it was rolled back",
    )


def _elsewhere(lsn: int, stall: Stall, progress: Progress) -> Verdict | None:
    """What is known without knowing what comes next."""

    def refused(refusal: Refusal, because: str) -> Verdict:
        return Verdict(lsn=lsn, xid=stall.xid, refusal=refusal, because=because)

    if stall.status in ("applied", "skipped"):
        return refused(
            Refusal.RESOLVED,
            f"the conflict log says that this transaction was {stall.status}",
        )
    if progress.passed > lsn:
        return refused(
            Refusal.PAST,
            "the subscription has come past it: it is at"
            f" {format_lsn(progress.passed)}",
        )
    if progress.skip_lsn not in (0, lsn):
        return refused(
            Refusal.ANOTHER_SKIP,
            f"a skip of {format_lsn(progress.skip_lsn)} is set already and was not met"
            " yet",
        )
    return None


def _not_blocked(lsn: int, stall: Stall, progress: Progress) -> Verdict | None:
    """What comes next blocks only if it fails: any other would be lost for nothing."""
    if stall.unfinished or (progress.enabled and progress.failing):
        return None
    looked = (
        "and apply was not seen to fail while we looked"
        if progress.enabled
        else "and the subscription is disabled, so that nobody can see it fail"
    )
    return Verdict(
        lsn=lsn,
        refusal=Refusal.UNPROVEN,
        because=f"the conflict log does not know that it stopped apply, {looked}",
    )


def _by_slot(
    lsn: int,
    stall: Stall,
    progress: Progress,
    pending: Sequence[Transaction] | None,
) -> Verdict | None:
    """What the publisher's slot says, if its order can be trusted to begin here."""
    if pending is None:
        return None
    found = [transaction for transaction in pending if transaction.lsn == lsn]
    if not found:
        return Verdict(
            lsn=lsn,
            refusal=Refusal.NO_SUCH_TRANSACTION,
            because="the publisher would send no transaction with this finish LSN",
        )
    first = pending[0]
    if first.lsn == lsn:
        return Verdict(
            lsn=lsn,
            xid=first.xid,
            because="it is the next transaction that the publisher's slot would send",
            transaction=first,
            proven=True,
        )
    if progress.origin_lsn is None or stall.unfinished:
        # Those before it may be applied and not yet confirmed, or without effect
        # here: such a one moves no origin and is sent again before each failure.
        return None
    return Verdict(
        lsn=lsn,
        xid=found[0].xid,
        refusal=Refusal.NOT_NEXT,
        because=f"transaction {first.xid}, finished at {format_lsn(first.lsn)}, comes"
        " before it",
        transaction=found[0],
    )


def _by_record(
    lsn: int,
    stall: Stall,
    stalls: Sequence[Stall],
    progress: Progress,
    pending: Sequence[Transaction],
) -> Verdict:
    def refused(refusal: Refusal, because: str) -> Verdict:
        return Verdict(lsn=lsn, xid=stall.xid, refusal=refusal, because=because)

    if not stall.unfinished:
        return refused(
            Refusal.UNPROVEN,
            "the conflict log does not know this LSN, and the publisher's slot could"
            " not be looked at",
        )
    first = target(None, stalls, progress.passed)
    if first is not None and first.lsn is not None and first.lsn < lsn:
        return refused(
            Refusal.NOT_NEXT,
            f"the conflict log has another one open, finished at"
            f" {format_lsn(first.lsn)}, which comes before it",
        )
    if progress.enabled and not progress.failing:
        return refused(
            Refusal.UNPROVEN,
            "the conflict log has it as open, but apply was not seen to fail while we"
            " looked",
        )
    before = sum(one.lsn < lsn for one in pending)
    again = (
        f"; the slot would send {before} before it again, which it had passed"
        if before
        else ""
    )
    return Verdict(
        lsn=lsn,
        xid=stall.xid,
        because="it is the first open conflict of the conflict log, apply"
        f" {'fails' if progress.enabled else 'is disabled'}, and nothing says that it"
        f" was passed{again}",
        transaction=next((one for one in pending if one.lsn == lsn), None),
    )
