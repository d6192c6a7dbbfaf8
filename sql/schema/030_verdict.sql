-- What each conflict did to the data: the looks at its row, and when to look again.

create table pgconflict.verdict (
    conflict_id bigint not null,
    looked_at timestamptz not null,
    verdict text not null,
    reason text,
    columns text[],
    row_values jsonb,
    cause text,
    effect text,
    evidence jsonb,
    primary key (conflict_id, looked_at)
);
comment on table pgconflict.verdict is
    'Every change of what is known about a conflict''s row: the history of verdicts';
comment on column pgconflict.verdict.looked_at is 'When both nodes were asked';
comment on column pgconflict.verdict.verdict is
    'converged: equal, or gone on both; diverged; pending: changes are still on their way; unverifiable: see reason';
comment on column pgconflict.verdict.reason is
    'Why pending or unverifiable: apply_behind, peer_away, no_key, hidden, ambiguous, no_privilege, no_table, row_filter, types_differ, busy';
comment on column pgconflict.verdict.columns is
    'The replicated columns in which the row differs; empty where it is gone on one node';
comment on column pgconflict.verdict.row_values is
    'Node to its values of these columns, as conflict_log.row_data allows; null where the row is gone';
comment on column pgconflict.verdict.cause is
    'hand_over: the writer had seen the other''s version; concurrent: neither had; unknown: can''t be told';
comment on column pgconflict.verdict.effect is
    'none, write_lost: both agree and a concurrent write is gone; diverged, apply_stopped, unknown';
comment on column pgconflict.verdict.evidence is
    'What the cause follows from: reason, the other node''s conflict_ids, commit times of both versions';

create table pgconflict.verdict_due (
    conflict_id bigint not null,
    first_logged_at timestamptz not null,
    due_at timestamptz not null default now(),
    looks integer not null default 0,
    node text not null,
    subname text,
    verdict text,
    row_digest bytea,
    primary key (conflict_id)
) with (fillfactor = 70);
create index on pgconflict.verdict_due (due_at);
comment on table pgconflict.verdict_due is
    'Conflicts that are looked at again: undecided, still moving, or with a row that differs now';
comment on column pgconflict.verdict_due.row_digest is
    'Equal for conflicts about one row of one table: how many rows differ';

create table pgconflict.verdict_position (
    only_one boolean primary key default true check (only_one),
    conflict_id bigint not null
);
comment on table pgconflict.verdict_position is
    'Conflicts up to this number were taken into verdict_due';
insert into pgconflict.verdict_position (conflict_id) values (0);

create table pgconflict.log_complete (
    system_identifier bigint primary key,
    node text not null,
    since timestamptz not null
);
comment on table pgconflict.log_complete is
    'Since when, by the node''s clock, its log is recorded without a gap: what it did not log since then did not happen';

revoke all on all tables in schema pgconflict from public;
