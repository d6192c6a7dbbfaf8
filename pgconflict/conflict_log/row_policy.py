"""Which values of rows may be written down: applied before anything is stored.

Every field that can hold a value is treated, the server's verbatim texts included.
What can't be taken apart without guessing is left out as a whole: a value that must
not be stored is never kept because its place was unclear.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from pgconflict.core.conflict import Kind
from pgconflict.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgconflict.conflict_log.entry import Recorded
    from pgconflict.core.conflict import Conflict, LocalConflict, Values

Action = Literal["keep", "hash", "drop"]
RowData = Literal["full", "keys", "none"]

OMITTED = "(omitted)"

# Errors whose messages name objects, never values. Data exceptions (22...) quote the
# value; P0001 and what extensions raise may say anything. Source: errcodes.txt.
_SAFE_CLASSES = ("08", "0A", "23", "40", "42", "53", "54", "55", "57", "58")

# Signs that a value is left in a text from which the known ones were taken out.
_VALUES_LEFT = re.compile(r"(?i)\b(row|tuple|key|identity|full)\s*\(|\)\s?=\s?\(")
_OWN_CONTEXT = re.compile(r"(?m)^(processing remote data .*|COPY [^\n]*?, line \d+)")


class Rule(Protocol):
    """One exception from `row_data`; None matches everything."""

    @property
    def schema_name(self) -> str | None: ...  # noqa: D102
    @property
    def table(self) -> str | None: ...  # noqa: D102
    @property
    def columns(self) -> tuple[str, ...] | None: ...  # noqa: D102
    @property
    def action(self) -> Action: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """What `conflict_log.row_data`, its rules and the hash key say.

    `digest_key` is the conflict log's own secret: it keeps identities, which are
    digests of keys, from telling keys that the policy hides.
    """

    row_data: RowData = "full"
    rules: Sequence[Rule] = ()
    hash_key: bytes = b""
    digest_key: bytes = b""

    @property
    def keeps_everything(self) -> bool:
        """Whether entries pass as they are."""
        return self.row_data == "full" and not self.rules

    def applied(self, recorded: Recorded) -> Recorded:
        """The entry as it may be stored."""
        if self.keeps_everything:
            return recorded
        conflict, names = recorded.conflict, recorded.resolution
        treat = _Treatment(
            self,
            names.schemaname or conflict.schemaname,
            names.relname or conflict.relname,
        )
        locals_ = names.local_conflicts or conflict.local_conflicts
        kept_locals = tuple(treat.local(local) for local in locals_)
        key_text = treat.key_text(
            names.replica_identity, conflict.replica_identity_text
        )
        row_text = treat.row_text(names.remote_tuple, conflict.remote_tuple_text)
        texts: list[tuple[str | None, str | None]] = [
            (conflict.replica_identity_text, key_text),
            (conflict.remote_tuple_text, row_text),
        ]
        for local, kept in zip(locals_, kept_locals, strict=True):
            texts += [
                (local.key_text, kept.key_text),
                (local.tuple_text, kept.tuple_text),
            ]
        replace = msgspec.structs.replace
        return replace(
            recorded,
            conflict=replace(
                conflict,
                replica_identity_text=key_text,
                remote_tuple_text=row_text,
                local_conflicts=kept_locals,
                message=treat.message(conflict),
                detail=treat.detail(conflict, texts),
                context=treat.context(conflict),
                identity=self._identity(conflict.identity),
            ),
            resolution=replace(
                names,
                replica_identity=treat.values(names.replica_identity, key=True),
                remote_tuple=treat.values(names.remote_tuple, key=False),
                local_conflicts=kept_locals if names.local_conflicts else (),
            ),
        )

    def values(
        self, schema: str | None, table: str | None, values: Values | None, *, key: bool
    ) -> Values | None:
        """The values of one row, or of its key, as they may be stored."""
        if self.keeps_everything:
            return values
        return _Treatment(self, schema, table).values(values, key=key)

    def _identity(self, identity: bytes) -> bytes:
        return blake2b(identity, digest_size=16, key=self.digest_key[:64]).digest()


class _Treatment:
    """The policy for one table."""

    def __init__(
        self, policy: RowPolicy, schema: str | None, table: str | None
    ) -> None:
        self._policy = policy
        self._rules = [
            rule
            for rule in policy.rules
            if _may_match(rule.schema_name, schema) and _may_match(rule.table, table)
        ]
        # A rule that may or may not be meant for this table decides for the worse.
        self._unsure = any(
            rule.action != "keep"
            and (
                (rule.schema_name is not None and schema is None)
                or (rule.table is not None and table is None)
            )
            for rule in self._rules
        )

    def action(self, column: str, *, key: bool) -> Action:
        if self._unsure:
            return "drop"
        for rule in self._rules:
            if rule.columns is None or any(
                _names(column, named, key=key) for named in rule.columns
            ):
                return rule.action
        return self._default(key=key)

    def _default(self, *, key: bool) -> Action:
        row_data = self._policy.row_data
        return "keep" if row_data == "full" or (row_data == "keys" and key) else "drop"

    def _uniform(self, *, key: bool) -> bool:
        """Whether every column that there could be is kept."""
        if self._unsure:
            return False
        for rule in self._rules:
            if rule.action != "keep":
                return False
            if rule.columns is None:
                return True
        return self._default(key=key) == "keep"

    def values(self, values: Values | None, *, key: bool) -> Values | None:
        if values is None or self._uniform(key=key):
            return values
        kept: Values = {}
        for column, value in values.items():
            action = self.action(column, key=key)
            if action == "keep":
                kept[column] = value
            elif action == "hash":
                kept[column] = None if value is None else self._hash(value)
        return kept or None

    def _hash(self, value: str) -> str:
        digest = hmac.digest(self._policy.hash_key, value.encode(), "sha256")
        return f"hmac:{digest.hex()[:32]}"

    def key_text(self, values: Values | None, text: str | None) -> str | None:
        return self._text(values, text, key=True, separator="=")

    def row_text(self, values: Values | None, text: str | None) -> str | None:
        return self._text(values, text, key=False, separator=" = ")

    def _text(
        self, values: Values | None, text: str | None, *, key: bool, separator: str
    ) -> str | None:
        if text is None or self._uniform(key=key):
            return text
        kept = self.values(values, key=key)
        if kept is None:
            return None
        if kept == values:
            return text
        shown = ("null" if value is None else value for value in kept.values())
        return f"({', '.join(kept)}){separator}({', '.join(shown)})"

    def local(self, local: LocalConflict) -> LocalConflict:
        return msgspec.structs.replace(
            local,
            key=self.values(local.key, key=True),
            tuple=self.values(local.tuple, key=False),
            key_text=self.key_text(local.key, local.key_text),
            tuple_text=self.row_text(local.tuple, local.tuple_text),
        )

    def _keeps_all(self) -> bool:
        return self._uniform(key=True) and self._uniform(key=False)

    def detail(
        self, conflict: Conflict, texts: Sequence[tuple[str | None, str | None]]
    ) -> str | None:
        """The detail with each known text in its kept form; None if one is left."""
        detail = conflict.detail
        if detail is None or self._keeps_all():
            return detail
        if conflict.kind is not Kind.CONFLICT:
            return None
        rest = detail
        known = sorted(
            ((old, new) for old, new in texts if old),
            key=lambda pair: len(pair[0]),
            reverse=True,
        )
        for old, new in known:
            rest = rest.replace(old, "")
            detail = detail.replace(old, new if new is not None else OMITTED)
        return None if _VALUES_LEFT.search(rest) else detail

    def message(self, conflict: Conflict) -> str:
        if conflict.kind is Kind.CONFLICT or self._keeps_all():
            return conflict.message
        # A trigger may raise any SQLSTATE with any words; then its frame comes first.
        own = conflict.context is None or _OWN_CONTEXT.match(conflict.context)
        if own and (conflict.sqlstate or "").startswith(_SAFE_CLASSES):
            return conflict.message
        return f"{OMITTED} SQLSTATE {conflict.sqlstate}"

    def context(self, conflict: Conflict) -> str | None:
        """PostgreSQL's own frame: SQL statements of functions may hold values."""
        if conflict.context is None or self._keeps_all():
            return conflict.context
        frames: list[str] = _OWN_CONTEXT.findall(conflict.context)
        return "\n".join(frames) or None


def _may_match(named: str | None, actual: str | None) -> bool:
    return named is None or actual is None or named == actual


def _names(column: str, named: str, *, key: bool) -> bool:
    """Whether a rule for column `named` is meant; an index may have expressions of it.

    >>> _names("lower(email)", "email", key=True)
    True
    """
    if column == named:
        return True
    return key and re.search(rf"\b{re.escape(named)}\b", column) is not None


def policy_of(row_data: RowData, rules: Sequence[Rule], hash_key: bytes) -> RowPolicy:
    """The policy of a configuration, without the conflict log's digest key.

    Raises:
        ConfigError: a rule hashes and there is no key to hash with.
    """
    if not hash_key and any(rule.action == "hash" for rule in rules):
        raise ConfigError(
            "conflict_log.rules: `action: hash` needs conflict_log.hash_key_file",
            hint="openssl rand -hex 32 makes a key; whoever has it can test values",
        )
    return RowPolicy(row_data, tuple(rules), hash_key)
