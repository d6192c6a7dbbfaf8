-- What people asked of whole tables and of rows that differ: comparisons with how far
-- they came, repairs with what was written where. Written down before it is done.

create table pgconflict.verify_run (
    run_id bigint generated always as identity primary key,
    schemaname text not null,
    relname text not null,
    nodes text[] not null,
    system_identifiers bigint[] not null,
    key_columns text[] not null,
    position text[],
    ranges bigint not null default 0,
    row_counts bigint[] not null default '{0,0}',
    differing bigint not null default 0,
    unsettled bigint not null default 0,
    began_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    ended_at timestamptz,
    conflict_log_role text not null default session_user,
    os_user text not null,
    host text not null
);
comment on table pgconflict.verify_run is
    'One row a comparison of a table on two nodes; without ended_at it was cut short and can go on';
comment on column pgconflict.verify_run.position is
    'Values of key_columns: rows up to this key are compared and what differs is recorded';
comment on column pgconflict.verify_run.unsettled is
    'Rows that differed but were written all the time, or whose changes had not arrived';

create table pgconflict.repair (
    repair_id bigint generated always as identity primary key,
    conflict_ids bigint[] not null,
    schemaname text not null,
    relname text not null,
    key jsonb,
    winner text not null,
    nodes text[] not null,
    statements jsonb not null,
    before jsonb,
    written text[] not null default '{}',
    outcome text,
    seen text[],
    began_at timestamptz not null default now(),
    ended_at timestamptz,
    conflict_log_role text not null default session_user,
    os_user text not null,
    host text not null,
    reason text
);
comment on table pgconflict.repair is
    'One row a repair done with --apply: which row, who, when, why, what came of it';
comment on column pgconflict.repair.key is
    'Of the row, column to text, as conflict_log.row_data allows';
comment on column pgconflict.repair.nodes is
    'The nodes that were to be written, in this order';
comment on column pgconflict.repair.statements is
    'Node to the statements, values left out';
comment on column pgconflict.repair.before is
    'Node to its row before the repair, as conflict_log.row_data allows; null: no row';
comment on column pgconflict.repair.written is
    'The nodes whose transaction had committed';
comment on column pgconflict.repair.outcome is
    'Null: it did not come to its end, see written. repaired, refused: nothing was written, partial: written has the nodes that were, failed: not known whether the node behind written was';

comment on column pgconflict.conflict_log.kind is
    'conflict; apply_error: any other error that stops apply; sync_error: initial table copy or sequence synchronisation; difference: no log entry, found by comparing tables';

revoke all on all tables in schema pgconflict from public;
