-- What people did to subscriptions through pgconflict: skipped transactions with every
-- change that was lost as far as it is known, dropped subscriptions with the WAL that
-- their slots held. Rows are written before anything is done, so that what was cut
-- short is seen; nothing here is ever deleted by pgconflict.

create table pgconflict.subscription_action (
    action_id bigint generated always as identity primary key,
    action text not null check (action in ('skip', 'drop')),
    node text not null,
    system_identifier bigint not null,
    database text not null,
    subid oid not null,
    subname text not null,
    slot_name text,
    publisher text,
    remote_commit_lsn pg_lsn,
    remote_xid bigint,
    statements text[] not null,
    began_at timestamptz not null default now(),
    ended_at timestamptz,
    outcome text,
    seen text[],
    conflict_log_role text not null default session_user,
    node_role text not null,
    os_user text not null,
    host text not null,
    reason text,
    changes bigint,
    changes_known boolean not null
);
comment on table pgconflict.subscription_action is
    'One row a skip or drop done with --apply: who, when, why, what came of it';
comment on column pgconflict.subscription_action.publisher is
    'Name of the node in the configuration; null where it was not known';
comment on column pgconflict.subscription_action.remote_commit_lsn is
    'skip: the finish LSN given to ALTER SUBSCRIPTION ... SKIP';
comment on column pgconflict.subscription_action.statements is
    'What was planned, in this order';
comment on column pgconflict.subscription_action.outcome is
    'Null: it did not come to its end. skip: skipped, not_cleared, cleared_unmet, set, moved_on, applied, failed; drop: dropped, slot_left, remains, failed';
comment on column pgconflict.subscription_action.seen is
    'What was seen on the way: the proof that it is done, or what is left';
comment on column pgconflict.subscription_action.reason is
    'What the operator gave as --reason';
comment on column pgconflict.subscription_action.changes is
    'skip: how many changes the transaction makes; null where nobody knows';
comment on column pgconflict.subscription_action.changes_known is
    'Whether lost_change has all of them';

create table pgconflict.lost_change (
    action_id bigint not null references pgconflict.subscription_action on delete cascade,
    place bigint not null,
    schemaname text,
    relname text,
    operation text not null,
    key jsonb,
    row_data jsonb,
    primary key (action_id, place)
);
comment on table pgconflict.lost_change is
    'Changes of skipped transactions, in the order of the transaction';
comment on column pgconflict.lost_change.key is
    'Replica identity of the row, column to text; null where it is not known or not kept';
comment on column pgconflict.lost_change.row_data is
    'The new row, column to text, without large values that did not change; null for DELETE and TRUNCATE, or where it is not known or not kept';
