-- What `pgconflict sequences` did to sequences, with the proof of it: what both nodes
-- said when they were asked again. The row of a run is there before anything is done,
-- so that one that was cut short is seen. Nothing here is ever deleted by pgconflict.

create table pgconflict.sequence_sync (
    sync_id bigint generated always as identity primary key,
    kind text not null check (kind in ('sync', 'cutover', 'stagger')),
    source_node text,
    target_nodes text[] not null,
    database text not null,
    options jsonb not null,
    began_at timestamptz not null default now(),
    ended_at timestamptz,
    outcome text check (outcome in ('proved', 'not_proved', 'failed')),
    moved bigint,
    unchanged bigint,
    blocked bigint,
    doubts bigint,
    source_lsn pg_lsn,
    applied_lsn pg_lsn,
    longest_lock interval,
    seen text[],
    conflict_log_role text not null default session_user,
    node_role text not null,
    os_user text not null,
    host text not null,
    pgconflict_version text not null
);
comment on table pgconflict.sequence_sync is
    'One row a run of sequences sync or stagger with --apply: who, when, from where to where, what came of it';
comment on column pgconflict.sequence_sync.kind is
    'sync; cutover: sync after the target had applied all of the source''s WAL; stagger: own residues or ranges';
comment on column pgconflict.sequence_sync.source_node is
    'Name of the node in the configuration; null for stagger';
comment on column pgconflict.sequence_sync.target_nodes is
    'Names of the nodes whose sequences were moved';
comment on column pgconflict.sequence_sync.database is
    'The database on all of these nodes';
comment on column pgconflict.sequence_sync.options is
    'What was asked for, as on the command line';
comment on column pgconflict.sequence_sync.ended_at is
    'Null: it did not come to its end; what it had moved by then stays moved, run it again';
comment on column pgconflict.sequence_sync.outcome is
    'proved: every next value of the targets is a new one; not_proved: the values that are not say why; failed: it ended with an error';
comment on column pgconflict.sequence_sync.moved is
    'Sequences that were given a new position or definition';
comment on column pgconflict.sequence_sync.unchanged is
    'Sequences that were as they should be';
comment on column pgconflict.sequence_sync.blocked is
    'Sequences that something kept from being what was asked for';
comment on column pgconflict.sequence_sync.doubts is
    'Sequences that are not proved';
comment on column pgconflict.sequence_sync.source_lsn is
    'cutover: the position that the target had to have applied';
comment on column pgconflict.sequence_sync.applied_lsn is
    'cutover: what its slots had confirmed by then, the least of them';
comment on column pgconflict.sequence_sync.longest_lock is
    'Longest time for which a sequence was locked';
comment on column pgconflict.sequence_sync.seen is
    'What was seen on the way: who still wrote, what was waited for';
comment on column pgconflict.sequence_sync.conflict_log_role is
    'Role that wrote this row';
comment on column pgconflict.sequence_sync.node_role is
    'Role that moved the sequences';
comment on column pgconflict.sequence_sync.os_user is
    'Account of the operating system that ran pgconflict';
comment on column pgconflict.sequence_sync.host is
    'Host that ran pgconflict';

create table pgconflict.sequence_sync_value (
    sync_id bigint not null references pgconflict.sequence_sync on delete cascade,
    place integer not null,
    node text not null,
    schemaname text not null,
    sequencename text not null,
    source_last_value bigint,
    source_is_called boolean,
    old_last_value bigint,
    old_is_called boolean,
    last_value bigint,
    is_called boolean,
    increment bigint,
    minimum bigint,
    maximum bigint,
    relfilenode oid,
    column_value bigint,
    moved boolean not null,
    reason text not null,
    doubt text,
    primary key (sync_id, place)
);
comment on table pgconflict.sequence_sync_value is
    'Each sequence of a run: what the source said, what was, what is, why, and whether that is proved';
comment on column pgconflict.sequence_sync_value.place is
    'Order within the run';
comment on column pgconflict.sequence_sync_value.node is
    'The node whose sequence this is';
comment on column pgconflict.sequence_sync_value.source_last_value is
    'Of the source when it was read for the proof; null for stagger, or when it could not be read';
comment on column pgconflict.sequence_sync_value.old_last_value is
    'Of the target when the plan was made; null when it was missing';
comment on column pgconflict.sequence_sync_value.last_value is
    'Of the target when it was read for the proof';
comment on column pgconflict.sequence_sync_value.increment is
    'With minimum and maximum: the definition of the target then';
comment on column pgconflict.sequence_sync_value.relfilenode is
    'Of the target then: another one later tells that somebody ran ALTER SEQUENCE or TRUNCATE ... RESTART IDENTITY';
comment on column pgconflict.sequence_sync_value.column_value is
    'Value of its column that it would give out again; null when there is none, or columns were not asked';
comment on column pgconflict.sequence_sync_value.moved is
    'It was given a new position or definition';
comment on column pgconflict.sequence_sync_value.reason is
    'Why it was moved, or was not';
comment on column pgconflict.sequence_sync_value.doubt is
    'Null: proved, each next value is a new one; else why not';
