-- The ledger: what the server counted against what was recorded, so that one can say
-- whether anything is missing.

create table pgconflict.recorded_entry_count (
    system_identifier bigint not null,
    subid oid not null,
    counter text not null,
    entries bigint not null,
    primary key (system_identifier, subid, counter)
) with (fillfactor = 50);
comment on table pgconflict.recorded_entry_count is
    'Log entries recorded, retries included, by the counter of pg_stat_subscription_stats that the server raised for them; grows in the transaction that stores them';
comment on column pgconflict.recorded_entry_count.counter is
    'A conflict type, or apply_error: any ERROR of an apply worker that names its origin';

create function pgconflict.counters_of(
    kind text, conflict_type text, severity text, remote_origin text)
    returns setof text
    language sql immutable security invoker set search_path = ''
as $$
    select conflict_type where kind = 'conflict' and conflict_type is not null
    union all
    select 'apply_error' where severity = 'ERROR' and remote_origin is not null
       and kind <> 'sync_error'
$$;
comment on function pgconflict.counters_of(text, text, text, text) is
    'Which counters the server raises for an entry';

create table pgconflict.ledger (
    system_identifier bigint not null,
    node text not null,
    subid oid not null,
    subname text not null,
    counter text not null,
    began_at timestamptz not null,
    checked_at timestamptz not null,
    stats_reset timestamptz,
    ended_at timestamptz,
    ended_by text,
    base bigint not null,
    server_count bigint not null,
    recorded_count bigint not null,
    unaccounted bigint not null,
    primary key (system_identifier, subid, counter, began_at)
) with (fillfactor = 70);
comment on table pgconflict.ledger is
    'One row an epoch of a counter: from a reset of the server''s statistics to the next';
comment on column pgconflict.ledger.began_at is
    'From here on every conflict that the server counted is accounted for';
comment on column pgconflict.ledger.checked_at is 'When server and log were last compared';
comment on column pgconflict.ledger.ended_by is
    'reset: statistics reset; restart: the server lost its statistics in a crash or was promoted; dropped: the subscription is gone';
comment on column pgconflict.ledger.base is
    'server_count - recorded_count when the epoch began';
comment on column pgconflict.ledger.unaccounted is
    'Conflicts counted by the server and not recorded (negative: recorded and not counted); 0 is complete';

revoke all on all functions in schema pgconflict from public;
