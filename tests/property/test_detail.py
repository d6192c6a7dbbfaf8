"""DETAIL as 18 and 19 write it, with values that imitate it: right, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pgconflict.core.conflict import LocalConflict
from pgconflict.core.detail import careful_detail, split_detail
from pgconflict.core.quick_detail import Detail

TIME = "2026-11-20 17:29:27.329385+00"
ISO = "2026-11-20T17:29:27.329385+00:00"

fragments = st.sampled_from(
    [
        "a",
        "1",
        "",
        "null",
        ", ",
        "; ",
        "(",
        ")",
        ").",
        "\n",
        '"',
        ")=(",
        ") = (",
        "); remote row (",
        "), remote row (",
        "; existing local row (9)",
        "); existing local row (",
        "), local row (",
        "); replica identity (z)=(1)",
        "), replica identity (z)=(1)",
        "); replica identity full (",
        ": key (a)=(1), local row (1",
        '.\nKey already exists in unique index "x", modified in transaction 1',
        ').\nKey already exists in unique index "x", modified in transaction 1: key (a',
        ".\nThe row to be updated was deleted.",
        '", modified locally in transaction 1 at ' + TIME,
        "…",
    ]
)
values = st.lists(fragments, max_size=4).map("".join)
names = st.sampled_from(
    ["t_pkey", 'we"ird', "a b", "ñ", 'x", modified in transaction 1']
)


def shown(value: str) -> str:
    """As the server shows a row's value: cut after 64 bytes."""
    raw = value.encode()
    return value if len(raw) <= 64 else raw[:64].decode(errors="ignore") + "..."


rows = st.lists(values.map(shown), min_size=1, max_size=3).map(
    lambda row: f"({', '.join(row)})"
)
keys = st.lists(values, min_size=1, max_size=2).map(
    lambda key: f"({', '.join('ab'[: len(key)])})=({', '.join(key)})"
)


@dataclass(frozen=True)
class Changed:
    """Who changed the local row."""

    kind: str | None
    origin: str | None = None

    def text(self, *, exists: bool) -> str:
        how = {
            "local": " locally",
            "gone": " by a non-existent origin",
            "origin": f' by {"" if exists else "a different "}origin "{self.origin}"',
            None: "",
        }[self.kind]
        time = "" if self.kind is None else f" at {TIME}"
        return f"modified{how} in transaction 77{time}"

    def local(self, **how: Any) -> LocalConflict:
        return LocalConflict(
            xid=77,
            commit_ts=None if self.kind is None else ISO,
            origin=self.origin,
            origin_kind=self.kind,  # type: ignore[arg-type]
            **how,
        )


changes = st.one_of(
    st.just(Changed("local")),
    st.just(Changed("gone")),
    names.map(lambda name: Changed("origin", name)),
)
any_changes = st.one_of(changes, st.just(Changed(None)))


@dataclass(frozen=True)
class Case:
    """A DETAIL, and what is true of it."""

    detail: str
    conflict_type: str
    operation: str
    truth: Detail


def joined(parts: list[tuple[str, str]], *, old: bool) -> str:
    """The values line of 18, or the values of 19."""
    if old:
        words = {"key": "key", "local": "existing local row", "remote": "remote row"}
        text = "; ".join(f"{words.get(name, name)} {part}" for name, part in parts)
        return text[0].upper() + text[1:]
    words = {"key": "key", "local": "local row", "remote": "remote row"}
    return ", ".join(f"{words.get(name, name)} {part}" for name, part in parts)


@st.composite
def identities(draw: st.DrawFn) -> tuple[str, str]:
    if draw(st.booleans()):
        return "replica identity full", draw(rows)
    return "replica identity", draw(keys)


@st.composite
def logged(draw: st.DrawFn) -> Case:
    old = draw(st.booleans())
    conflict_type = draw(
        st.sampled_from(
            [
                "update_missing",
                "delete_missing",
                "update_origin_differs",
                "delete_origin_differs",
            ]
        )
    )
    updates = conflict_type.startswith("update")
    word, identity = draw(identities())
    remote = draw(rows) if updates else None
    parts = [(word, identity)]
    if remote is not None:
        parts.insert(0, ("remote", remote))
    local: tuple[LocalConflict, ...] = ()
    if conflict_type.endswith("differs"):
        changed, row = draw(changes), draw(rows)
        parts.insert(0, ("local", row))
        local = (changed.local(tuple_text=row),)
        verb = "Updating" if updates else "Deleting"
        head = f"{verb} the row that was {changed.text(exists=False)}"
    else:
        verb = "updated" if updates else "deleted"
        head = f"Could not find the row to be {verb}"
    between = ".\n" if old else ": "
    detail = f"{head}{between}{joined(parts, old=old)}."
    full = word.endswith("full")
    truth = Detail((), full, identity, remote, local)
    return Case(detail, conflict_type, "UPDATE" if updates else "DELETE", truth)


@st.composite
def deleted(draw: st.DrawFn) -> Case:
    word, identity = draw(identities())
    remote = draw(rows)
    changed = draw(st.one_of(changes, st.none()))
    how = "" if changed is None else changed.text(exists=False)
    how = how.removeprefix("modified")
    detail = (
        f"Could not find the row to be updated: remote row {remote}, {word} {identity}."
        f"\nThe row to be updated was deleted{how}{draw(st.sampled_from(['.', '']))}"
    )
    local = () if changed is None else (changed.local(),)
    truth = Detail((), word.endswith("full"), identity, remote, local)
    return Case(detail, "update_deleted", "UPDATE", truth)


@st.composite
def exists(draw: st.DrawFn) -> Case:
    old = draw(st.booleans())
    operation = draw(st.sampled_from(["INSERT", "UPDATE"]))
    blocks = draw(
        st.lists(
            st.tuples(names, any_changes, keys, rows),
            min_size=1,
            max_size=3,
            unique_by=lambda block: block[0],
        )
    )
    # A block imitated whole by a key beside real ones can't be told from them.
    assume(len(blocks) == 1 or not any("unique" in block[2] for block in blocks))
    remote = draw(rows)
    identity = draw(identities()) if operation == "UPDATE" else None
    tail = [("remote", remote)] + ([identity] if identity else [])
    lines = []
    if not old:
        lines.append(f"Could not apply remote change: {joined(tail, old=False)}.")
    for index, changed, key, row in blocks:
        head = f'Key already exists in unique index "{index}", '
        head += changed.text(exists=True)
        parts = [("key", key), ("local", row)]
        if old:
            lines.append(f"{head}.\n{joined(parts + tail, old=True)}.")
        else:
            lines.append(f"{head}: {joined(parts, old=False)}.")
    conflict_type = "multiple_unique_conflicts"
    if len(blocks) == 1:
        conflict_type = "update_exists" if identity else "insert_exists"
    truth = Detail(
        tuple(index for index, *_ in blocks),
        None if identity is None else identity[0].endswith("full"),
        None if identity is None else identity[1],
        remote,
        tuple(
            changed.local(index=index, key_text=key, tuple_text=row)
            for index, changed, key, row in blocks
        ),
    )
    return Case("\n".join(lines), conflict_type, operation, truth)


cases = st.one_of(logged(), deleted(), exists())


@settings(max_examples=600, deadline=None)
@given(cases)
def test_nothing_said_of_a_detail_is_wrong(case: Case) -> None:
    found = split_detail(case.detail, case.conflict_type, case.operation)

    truth = case.truth
    assert found.index_names in ((), truth.index_names)
    assert found.replica_identity_full in (None, truth.replica_identity_full)
    assert found.replica_identity_text in (None, truth.replica_identity_text)
    assert found.remote_tuple_text in (None, truth.remote_tuple_text)
    if found.local_conflicts:
        assert len(found.local_conflicts) == len(truth.local_conflicts)
    for local, true in zip(found.local_conflicts, truth.local_conflicts, strict=False):
        for field in ("xid", "commit_ts", "origin", "origin_kind", "index"):
            assert getattr(local, field) == getattr(true, field)
        assert local.key_text in (None, true.key_text)
        assert local.tuple_text in (None, true.tuple_text)


@settings(max_examples=600, deadline=None)
@given(cases)
def test_the_quick_way_and_the_careful_way_agree(case: Case) -> None:
    quick = split_detail(case.detail, case.conflict_type, case.operation)

    assert quick == careful_detail(case.detail, case.conflict_type, case.operation)


@settings(max_examples=300, deadline=None)
@given(cases)
def test_plain_values_are_always_taken_apart(case: Case) -> None:
    hostile = set('"(),;\n:…')
    texts = [case.truth.remote_tuple_text or "", case.truth.replica_identity_text or ""]
    texts += [local.tuple_text or "" for local in case.truth.local_conflicts]
    texts += [local.key_text or "" for local in case.truth.local_conflicts]
    texts += [local.index or "" for local in case.truth.local_conflicts]
    texts += [local.origin or "" for local in case.truth.local_conflicts]
    plain = all(
        hostile.isdisjoint(text.strip("()").replace(")=(", "")) for text in texts
    )

    found = split_detail(case.detail, case.conflict_type, case.operation)

    if plain:
        assert found[:5] == case.truth[:5]
        assert found.key
