-- Ways out of stopped apply besides a skip: what was applied without some changes, and
-- what became of the local rows that were in the way.

alter table pgconflict.subscription_action
    drop constraint subscription_action_action_check,
    add constraint subscription_action_action_check
        check (action in ('skip', 'drop', 'keep_ours', 'keep_theirs', 'keep_both'));
comment on table pgconflict.subscription_action is
    'One row a skip, drop, or repair of stopped apply done with --apply: who, when, why, what came of it';
comment on column pgconflict.subscription_action.remote_commit_lsn is
    'skip: the finish LSN given to ALTER SUBSCRIPTION ... SKIP; keep: of the transaction that stopped apply';
comment on column pgconflict.subscription_action.outcome is
    'Null: it did not come to its end. skip: skipped, not_cleared, cleared_unmet, set, moved_on, failed; drop: dropped, slot_left, remains, failed; keep: applied, not_passed, disabled, refused, failed, or done where apply was not watched to the end';

create table pgconflict.moved_row (
    action_id bigint not null references pgconflict.subscription_action on delete cascade,
    place bigint not null,
    schemaname text not null,
    relname text not null,
    fate text not null,
    key jsonb,
    row_data jsonb,
    primary key (action_id, place)
);
comment on table pgconflict.moved_row is
    'Local rows that made room for a transaction that had stopped apply, as they were before';
comment on column pgconflict.moved_row.fate is
    'What was planned for it: replaced, removed, becomes the publisher''s version, gets another key';
comment on column pgconflict.moved_row.key is
    'Column to text, as far as conflict_log.row_data lets it be kept';
comment on column pgconflict.moved_row.row_data is
    'The whole row, column to text, as far as conflict_log.row_data lets it be kept';
