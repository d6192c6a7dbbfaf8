-- Which conflicts are one event, logged by several nodes, and how many had which effect
-- in each hour: what lists and sums of harm are answered from, however much noise there
-- is around it.

create table pgconflict.conflict_event (
    conflict_id bigint primary key,
    event_id bigint not null,
    first_logged_at timestamptz not null,
    writes bigint[] not null
);
create index on pgconflict.conflict_event (event_id);
create index on pgconflict.conflict_event (first_logged_at);
create index on pgconflict.conflict_event using gin (writes) with (fastupdate = off);
comment on table pgconflict.conflict_event is
    'Conflicts that are one event: writes of one row, none of which had seen the other, as each node logged it; only what is proved';
comment on column pgconflict.conflict_event.event_id is
    'The lowest conflict_id that the event has, or had when its conflicts were joined';
comment on column pgconflict.conflict_event.writes is
    'Digests of row and transaction, of both writes where known: events that share one are one';

create table pgconflict.effect_hour (
    hour timestamptz not null,
    node text not null,
    subname text,
    kind text not null,
    conflict_type text,
    schemaname text,
    relname text,
    relation text,
    cause text,
    effect text,
    conflicts bigint not null,
    unique nulls not distinct (
        hour, node, subname, kind, conflict_type, schemaname, relname, relation, cause,
        effect)
) with (fillfactor = 60);
comment on table pgconflict.effect_hour is
    'Conflicts of each hour (UTC, by first_logged_at) that were looked at, by cause and effect; kept exact by triggers on conflict_log, TRUNCATE excepted: recount_effects() mends';

-- Of a table of its own, not of conflict_hour: whoever stores a verdict must not wait
-- for who stores conflicts, who may wait for the same rows of conflict_log.
create function pgconflict.count_effects() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    -- Ordered as in count_conflicts(). What nobody looked at is no row here.
    if tg_op = 'INSERT' then
        insert into pgconflict.effect_hour as h
        select pg_catalog.date_trunc('hour', first_logged_at, 'UTC'), node, subname,
               kind, conflict_type, schemaname, relname,
               pg_catalog."left"(relation, 300), cause, effect, count(*)
          from new_rows
         where verdict is not null
         group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
         order by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        on conflict (hour, node, subname, kind, conflict_type, schemaname, relname,
                     relation, cause, effect) do update
           set conflicts = h.conflicts + excluded.conflicts;
    elsif tg_op = 'DELETE' then
        insert into pgconflict.effect_hour as h
        select pg_catalog.date_trunc('hour', first_logged_at, 'UTC'), node, subname,
               kind, conflict_type, schemaname, relname,
               pg_catalog."left"(relation, 300), cause, effect, -count(*)
          from old_rows
         where verdict is not null
         group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
         order by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        on conflict (hour, node, subname, kind, conflict_type, schemaname, relname,
                     relation, cause, effect) do update
           set conflicts = h.conflicts + excluded.conflicts;
    else
        insert into pgconflict.effect_hour as h
        select pg_catalog.date_trunc('hour', first_logged_at, 'UTC'), node, subname,
               kind, conflict_type, schemaname, relname,
               pg_catalog."left"(relation, 300), cause, effect, sum(one)
          from (select 1 as one, first_logged_at, node, subname, kind, conflict_type,
                       schemaname, relname, relation, cause, effect from new_rows
                 where verdict is not null
                union all
                select -1, first_logged_at, node, subname, kind, conflict_type,
                       schemaname, relname, relation, cause, effect from old_rows
                 where verdict is not null) r
         group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        having sum(one) <> 0
         order by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
        on conflict (hour, node, subname, kind, conflict_type, schemaname, relname,
                     relation, cause, effect) do update
           set conflicts = h.conflicts + excluded.conflicts;
    end if;
    return null;
end
$$;
comment on function pgconflict.count_effects() is
    'Trigger: carries what a statement changed in conflict_log into effect_hour';

create function pgconflict.count_effects_of(table_name text) returns void
    language plpgsql set search_path = ''
as $$
begin
    execute pg_catalog.format(
        'create trigger effects_inserted after insert on pgconflict.%I'
        ' referencing new table as new_rows'
        ' for each statement execute function pgconflict.count_effects()',
        table_name);
    execute pg_catalog.format(
        'create trigger effects_deleted after delete on pgconflict.%I'
        ' referencing old table as old_rows'
        ' for each statement execute function pgconflict.count_effects()',
        table_name);
    execute pg_catalog.format(
        'create trigger effects_updated after update on pgconflict.%I'
        ' referencing old table as old_rows new table as new_rows'
        ' for each statement execute function pgconflict.count_effects()',
        table_name);
end
$$;
comment on function pgconflict.count_effects_of(text) is
    'Gives a table of conflict_log the triggers of effect_hour';

create function pgconflict.recount_effects(since timestamptz, until timestamptz)
    returns void language plpgsql set search_path = ''
as $$
begin
    lock table pgconflict.effect_hour in share row exclusive mode;
    delete from pgconflict.effect_hour h
     where h.hour >= pg_catalog.date_trunc('hour', recount_effects.since, 'UTC')
       and h.hour < recount_effects.until;
    insert into pgconflict.effect_hour
    select pg_catalog.date_trunc('hour', c.first_logged_at, 'UTC'), c.node, c.subname,
           c.kind, c.conflict_type, c.schemaname, c.relname,
           pg_catalog."left"(c.relation, 300), c.cause, c.effect, count(*)
      from pgconflict.conflict_log c
     where c.verdict is not null
       and c.first_logged_at >= pg_catalog.date_trunc(
               'hour', recount_effects.since, 'UTC')
       and c.first_logged_at < pg_catalog.date_trunc(
               'hour', recount_effects.until - interval '1 us', 'UTC')
           + interval '1 hour'
     group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
end
$$;
comment on function pgconflict.recount_effects(timestamptz, timestamptz) is
    'Counts the hours from one time to before another again; only after TRUNCATE or work with triggers off';

create function pgconflict.prepare_effects(table_name text) returns void
    language plpgsql set search_path = ''
as $$
begin
    -- Of what was looked at, all but what did nothing: rare in a healthy pair. What
    -- is stored passes it by, so that it costs who writes nothing.
    execute pg_catalog.format(
        'create index on pgconflict.%I (first_logged_at, conflict_id)'
        ' where verdict is not null and effect is distinct from ''none''', table_name);
    perform pgconflict.count_effects_of(table_name);
end
$$;
comment on function pgconflict.prepare_effects(text) is
    'Gives a table of conflict_log the index and triggers that questions of harm need';

create or replace function pgconflict.prepare_day(table_name text) returns void
    language plpgsql set search_path = ''
as $$
begin
    -- Small, for one number: the index over several columns is read whole for it.
    execute pg_catalog.format(
        'create index on pgconflict.%I using brin (conflict_id)'
        ' with (pages_per_range = 64)', table_name);
    -- Finds the few rows of a rare name among the many of a storm.
    execute pg_catalog.format(
        'create index on pgconflict.%I using brin ('
        ' node text_bloom_ops (n_distinct_per_range = 16),'
        ' subname text_bloom_ops (n_distinct_per_range = 32),'
        ' kind text_bloom_ops (n_distinct_per_range = 16),'
        ' conflict_type text_bloom_ops (n_distinct_per_range = 16),'
        ' relname text_bloom_ops (n_distinct_per_range = 64))', table_name);
    -- What stopped apply is rare; its rows are found whatever else the day holds.
    execute pg_catalog.format(
        'create index on pgconflict.%I (first_logged_at, conflict_id) where stalls',
        table_name);
    perform pgconflict.count_changes_of(table_name);
    perform pgconflict.prepare_effects(table_name);
end
$$;

do $$
declare
    name text;
begin
    lock table pgconflict.conflict_log in share row exclusive mode;
    for name in
        select c.relname from pg_catalog.pg_inherits i
          join pg_catalog.pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'pgconflict.conflict_log'::pg_catalog.regclass
    loop
        perform pgconflict.prepare_effects(name);
    end loop;
    perform pgconflict.count_effects_of('conflict_log');
    perform pgconflict.recount_effects('-infinity', 'infinity');
end
$$;

-- What is kept about conflicts goes with them; called after whole days were dropped.
create function pgconflict.forget_verdicts(before date) returns void
    language plpgsql security definer set search_path = ''
as $$
declare
    moment timestamptz :=
        forget_verdicts.before::pg_catalog.timestamp at time zone 'UTC';
begin
    -- A verdict is not older than its conflict.
    delete from pgconflict.verdict v
     where v.looked_at < moment
       and not exists (select from pgconflict.conflict_log_kept k
                        where k.conflict_id = v.conflict_id);
    delete from pgconflict.verdict_due d
     where d.first_logged_at < moment
       and not exists (select from pgconflict.conflict_log_kept k
                        where k.conflict_id = d.conflict_id);
    delete from pgconflict.conflict_event e
     where e.first_logged_at < moment
       and not exists (select from pgconflict.conflict_log_kept k
                        where k.conflict_id = e.conflict_id);
    -- What is kept of those days is counted, nothing else.
    perform pgconflict.recount_effects('-infinity', moment);
end
$$;
comment on function pgconflict.forget_verdicts(date) is
    'Removes verdicts, events and counts of conflicts that drop_partitions() dropped';
create index on pgconflict.verdict using brin (looked_at);

revoke all on all tables in schema pgconflict from public;
revoke all on function pgconflict.count_effects() from public;
revoke all on function pgconflict.count_effects_of(text) from public;
revoke all on function pgconflict.recount_effects(timestamptz, timestamptz) from public;
revoke all on function pgconflict.prepare_effects(text) from public;
revoke all on function pgconflict.forget_verdicts(date) from public;
