-- How many conflicts each hour had: what `conflicts summary` and the filters of
-- `conflicts list` are answered from, however many rows there are. Triggers keep it
-- exact in the transaction that changes conflict_log, whoever changes it.

create table pgconflict.conflict_hour (
    hour timestamptz not null,
    node text not null,
    subname text,
    kind text not null,
    conflict_type text,
    schemaname text,
    relname text,
    relation text,
    conflicts bigint not null,
    attempts bigint not null,
    stalled bigint not null,
    unique nulls not distinct (
        hour, node, subname, kind, conflict_type, schemaname, relname, relation)
) with (fillfactor = 60);
comment on table pgconflict.conflict_hour is
    'Conflicts of each hour (UTC, by first_logged_at); kept exact by triggers on conflict_log, TRUNCATE excepted: recount_hours() mends';
comment on column pgconflict.conflict_hour.conflicts is 'Rows of conflict_log';
comment on column pgconflict.conflict_hour.attempts is
    'How often these were logged, later hours included';
comment on column pgconflict.conflict_hour.stalled is
    'How many of the conflicts stopped apply';

create function pgconflict.count_conflicts() returns trigger
    language plpgsql security definer set search_path = ''
as $$
begin
    -- Ordered, so that two writers of one hour wait for each other instead of
    -- deadlocking. Names in messages of errors have no limit, index entries have.
    if tg_op = 'INSERT' then
        insert into pgconflict.conflict_hour as h
        select pg_catalog.date_trunc('hour', first_logged_at, 'UTC'), node, subname,
               kind, conflict_type, schemaname, relname,
               pg_catalog."left"(relation, 300),
               count(*), sum(attempts), count(*) filter (where stalls)
          from new_rows
         group by 1, 2, 3, 4, 5, 6, 7, 8
         order by 1, 2, 3, 4, 5, 6, 7, 8
        on conflict (hour, node, subname, kind, conflict_type, schemaname, relname,
                     relation) do update
           set conflicts = h.conflicts + excluded.conflicts,
               attempts = h.attempts + excluded.attempts,
               stalled = h.stalled + excluded.stalled;
    elsif tg_op = 'DELETE' then
        update pgconflict.conflict_hour h
           set conflicts = h.conflicts - o.conflicts,
               attempts = h.attempts - o.attempts,
               stalled = h.stalled - o.stalled
          from (select pg_catalog.date_trunc('hour', first_logged_at, 'UTC') as hour,
                       node, subname, kind, conflict_type, schemaname, relname,
                       pg_catalog."left"(relation, 300) as relation,
                       count(*) as conflicts, sum(attempts) as attempts,
                       count(*) filter (where stalls) as stalled
                  from old_rows
                 group by 1, 2, 3, 4, 5, 6, 7, 8) o
         where h.hour = o.hour and h.node = o.node and h.kind = o.kind
           and h.subname is not distinct from o.subname
           and h.conflict_type is not distinct from o.conflict_type
           and h.schemaname is not distinct from o.schemaname
           and h.relname is not distinct from o.relname
           and h.relation is not distinct from o.relation;
    else
        insert into pgconflict.conflict_hour as h
        select pg_catalog.date_trunc('hour', first_logged_at, 'UTC'), node, subname,
               kind, conflict_type, schemaname, relname,
               pg_catalog."left"(relation, 300),
               sum(one), sum(one * attempts), coalesce(sum(one) filter (where stalls), 0)
          from (select 1 as one, first_logged_at, node, subname, kind, conflict_type,
                       schemaname, relname, relation, attempts, stalls from new_rows
                union all
                select -1, first_logged_at, node, subname, kind, conflict_type,
                       schemaname, relname, relation, attempts, stalls from old_rows) r
         group by 1, 2, 3, 4, 5, 6, 7, 8
        having sum(one) <> 0 or sum(one * attempts) <> 0
               or coalesce(sum(one) filter (where stalls), 0) <> 0
         order by 1, 2, 3, 4, 5, 6, 7, 8
        on conflict (hour, node, subname, kind, conflict_type, schemaname, relname,
                     relation) do update
           set conflicts = h.conflicts + excluded.conflicts,
               attempts = h.attempts + excluded.attempts,
               stalled = h.stalled + excluded.stalled;
    end if;
    return null;
end
$$;
comment on function pgconflict.count_conflicts() is
    'Trigger: carries what a statement changed in conflict_log into conflict_hour';

-- A statement fires the triggers of the table that it names, and the daemon names
-- days as well as their parent: each has its own.
create function pgconflict.count_changes_of(table_name text) returns void
    language plpgsql set search_path = ''
as $$
begin
    execute pg_catalog.format(
        'create trigger count_inserted after insert on pgconflict.%I'
        ' referencing new table as new_rows'
        ' for each statement execute function pgconflict.count_conflicts()',
        table_name);
    execute pg_catalog.format(
        'create trigger count_deleted after delete on pgconflict.%I'
        ' referencing old table as old_rows'
        ' for each statement execute function pgconflict.count_conflicts()',
        table_name);
    execute pg_catalog.format(
        'create trigger count_updated after update on pgconflict.%I'
        ' referencing old table as old_rows new table as new_rows'
        ' for each statement execute function pgconflict.count_conflicts()',
        table_name);
end
$$;
comment on function pgconflict.count_changes_of(text) is
    'Gives a table of conflict_log the triggers of conflict_hour';

create function pgconflict.prepare_day(table_name text) returns void
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
end
$$;
comment on function pgconflict.prepare_day(text) is
    'Gives a table of conflict_log the indexes and triggers that its questions need';

-- Vacuum leaves a table's last pages out of a BRIN index, and comes late to a table
-- that only grows. Autosummarize would fill the server log in a storm.
create function pgconflict.summarize_days() returns void
    language plpgsql security definer set search_path = ''
as $$
declare
    index_id oid;
begin
    for index_id in
        select x.indexrelid
          from pg_catalog.pg_index x
          join pg_catalog.pg_class i on i.oid = x.indexrelid
          join pg_catalog.pg_am a on a.oid = i.relam and a.amname = 'brin'
         where x.indrelid in (
            select c.oid
              from pg_catalog.pg_inherits h
              join pg_catalog.pg_class c on c.oid = h.inhrelid
             where h.inhparent = 'pgconflict.conflict_log'::pg_catalog.regclass
               and c.relname between
                   'conflict_log_' || pg_catalog.to_char(now() at time zone 'UTC' - interval '1 day', 'YYYYMMDD')
                   and 'conflict_log_' || pg_catalog.to_char(now() at time zone 'UTC', 'YYYYMMDD'))
    loop
        perform pg_catalog.brin_summarize_new_values(index_id);
    end loop;
end
$$;
comment on function pgconflict.summarize_days() is
    'Brings the BRIN indexes of yesterday and today up to date; the daemon calls it now and then';

create function pgconflict.recount_hours(since timestamptz, until timestamptz)
    returns void language plpgsql set search_path = ''
as $$
begin
    -- Whoever changed conflict_log and is not at its end waits here or is waited for.
    lock table pgconflict.conflict_hour in share row exclusive mode;
    delete from pgconflict.conflict_hour h
     where h.hour >= pg_catalog.date_trunc('hour', recount_hours.since, 'UTC')
       and h.hour < recount_hours.until;
    insert into pgconflict.conflict_hour
    select pg_catalog.date_trunc('hour', c.first_logged_at, 'UTC'), c.node, c.subname,
           c.kind, c.conflict_type, c.schemaname, c.relname,
           pg_catalog."left"(c.relation, 300),
           count(*), sum(c.attempts), count(*) filter (where c.stalls)
      from pgconflict.conflict_log c
     where c.first_logged_at >= pg_catalog.date_trunc('hour', recount_hours.since, 'UTC')
       and c.first_logged_at < pg_catalog.date_trunc(
               'hour', recount_hours.until - interval '1 us', 'UTC') + interval '1 hour'
     group by 1, 2, 3, 4, 5, 6, 7, 8;
end
$$;
comment on function pgconflict.recount_hours(timestamptz, timestamptz) is
    'Counts the hours from one time to before another again; only after TRUNCATE or work with triggers off';

do $$
declare
    name text;
begin
    -- Nothing is written between the count and the triggers.
    lock table pgconflict.conflict_log in share row exclusive mode;
    for name in
        select c.relname from pg_catalog.pg_inherits i
          join pg_catalog.pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'pgconflict.conflict_log'::pg_catalog.regclass
    loop
        perform pgconflict.prepare_day(name);
    end loop;
    perform pgconflict.count_changes_of('conflict_log');
    perform pgconflict.recount_hours('-infinity', 'infinity');
end
$$;

create view pgconflict.conflicts_by_table_hour as
select hour, schemaname, relname, relation, sum(conflicts)::bigint as conflicts,
       sum(attempts)::bigint as attempts, sum(stalled)::bigint as stalled,
       array_agg(distinct node order by node) as nodes,
       array_agg(distinct conflict_type order by conflict_type)
           filter (where conflict_type is not null) as conflict_types
  from pgconflict.conflict_hour
 where conflicts > 0
 group by hour, schemaname, relname, relation;
comment on view pgconflict.conflicts_by_table_hour is
    'Conflicts and errors by table and hour (UTC); reads conflict_hour, so it is quick over any time';

do $$
declare
    role text;
begin
    for role in
        select distinct pg_catalog.quote_ident(r.rolname)
          from pg_catalog.pg_class c
          cross join lateral pg_catalog.aclexplode(c.relacl) a
          join pg_catalog.pg_roles r on r.oid = a.grantee
         where c.oid = 'pgconflict.conflict_log'::pg_catalog.regclass
           and a.privilege_type = 'SELECT' and a.grantee <> c.relowner
    loop
        execute pg_catalog.format(
            'grant select on pgconflict.conflict_hour, pgconflict.conflicts_by_table_hour,'
            ' pgconflict.conflict_id_seq to %s', role);
    end loop;
    -- Who makes days makes their indexes.
    for role in
        select distinct pg_catalog.quote_ident(r.rolname)
          from pg_catalog.pg_proc p
          cross join lateral pg_catalog.aclexplode(p.proacl) a
          join pg_catalog.pg_roles r on r.oid = a.grantee
         where p.oid = 'pgconflict.make_partition(date)'::pg_catalog.regprocedure
           and a.grantee <> p.proowner
    loop
        execute pg_catalog.format(
            'grant execute on function pgconflict.summarize_days() to %s', role);
    end loop;
end
$$;

revoke all on function pgconflict.count_conflicts() from public;
revoke all on function pgconflict.count_changes_of(text) from public;
revoke all on function pgconflict.prepare_day(text) from public;
revoke all on function pgconflict.summarize_days() from public;
revoke all on function pgconflict.recount_hours(timestamptz, timestamptz) from public;
