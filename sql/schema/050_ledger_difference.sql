-- Where the ledger is not complete: between which two comparisons a difference came
-- up, and what was known then that explains it.

alter table pgconflict.ledger add column database text;
alter table pgconflict.ledger add column statistics_began timestamptz;
comment on column pgconflict.ledger.database is
    'Database of the subscription; null in rows made before this column';
comment on column pgconflict.ledger.statistics_began is
    'When the server''s statistics began, from pg_stat_bgwriter: another one tells of a crash though no counter fell';

create table pgconflict.ledger_difference (
    system_identifier bigint not null,
    subid oid not null,
    counter text not null,
    epoch_began_at timestamptz not null,
    after timestamptz not null,
    found_at timestamptz not null,
    difference bigint not null,
    reasons text[] not null,
    primary key (system_identifier, subid, counter, epoch_began_at, found_at),
    foreign key (system_identifier, subid, counter, epoch_began_at)
        references pgconflict.ledger on delete cascade
);
comment on table pgconflict.ledger_difference is
    'One row each time that an epoch''s count of what is not accounted for changed; none once all of it was recorded after all';
comment on column pgconflict.ledger_difference.after is
    'The comparison before it: by then the difference was not there';
comment on column pgconflict.ledger_difference.found_at is
    'The comparison that found it';
comment on column pgconflict.ledger_difference.difference is
    'What was added to unaccounted';
comment on column pgconflict.ledger_difference.reasons is
    'What may have hidden the entries: log_vanished, log_truncated, unrecognised_REASON, or a word of pgconflict check';
