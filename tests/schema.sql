CREATE SCHEMA pgconflict;

COMMENT ON SCHEMA pgconflict IS 'Replication conflicts of all nodes, recorded by pgconflict';

CREATE FUNCTION pgconflict.count_changes_of(table_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.count_changes_of(table_name text) IS 'Gives a table of conflict_log the triggers of conflict_hour';

CREATE FUNCTION pgconflict.count_conflicts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.count_conflicts() IS 'Trigger: carries what a statement changed in conflict_log into conflict_hour';

CREATE FUNCTION pgconflict.count_effects() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.count_effects() IS 'Trigger: carries what a statement changed in conflict_log into effect_hour';

CREATE FUNCTION pgconflict.count_effects_of(table_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.count_effects_of(table_name text) IS 'Gives a table of conflict_log the triggers of effect_hour';

CREATE FUNCTION pgconflict.counters_of(kind text, conflict_type text, severity text, remote_origin text) RETURNS SETOF text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
    select conflict_type where kind = 'conflict' and conflict_type is not null
    union all
    select 'apply_error' where severity = 'ERROR' and remote_origin is not null
       and kind <> 'sync_error'
$$;

COMMENT ON FUNCTION pgconflict.counters_of(kind text, conflict_type text, severity text, remote_origin text) IS 'Which counters the server raises for an entry';

CREATE FUNCTION pgconflict.drop_partitions(before date) RETURNS SETOF date
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $_$
declare
    name text;
    dropped date;
begin
    for name in
        select c.relname
          from pg_catalog.pg_inherits i
          join pg_catalog.pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'pgconflict.conflict_log'::pg_catalog.regclass
           and c.relname ~ '^conflict_log_\d{8}$'
         order by c.relname
    loop
        dropped := pg_catalog.to_date(pg_catalog.right(name, 8), 'YYYYMMDD');
        exit when dropped >= drop_partitions.before;
        create temporary table kept (like pgconflict.conflict_log);
        execute pg_catalog.format(
            'insert into pg_temp.kept select * from pgconflict.%I where stalls'
            ' and (status in (''open'', ''disabled'') or acknowledged_at is null)', name);
        execute pg_catalog.format('drop table pgconflict.%I', name);
        execute pg_catalog.format(
            'drop table if exists pgconflict.%I',
            'conflict_attempt_' || pg_catalog.right(name, 8));
        delete from pgconflict.conflict_hour
         where hour >= dropped::pg_catalog.timestamp at time zone 'UTC'
           and hour < (dropped + 1)::pg_catalog.timestamp at time zone 'UTC';
        insert into pgconflict.conflict_log select * from pg_temp.kept;
        delete from pgconflict.lsn_range r
         where r.day = dropped
           and not exists (select from pg_temp.kept k
                            where k.system_identifier = r.system_identifier
                              and k.subid = r.subid);
        drop table pg_temp.kept;
        return next dropped;
    end loop;
    delete from pgconflict.conflict_log_kept
     where first_logged_at < drop_partitions.before::pg_catalog.timestamp at time zone 'UTC'
       and not (stalls and (status in ('open', 'disabled') or acknowledged_at is null));
    delete from pgconflict.conflict_hour
     where hour < drop_partitions.before::pg_catalog.timestamp at time zone 'UTC'
       and conflicts = 0;
    delete from pgconflict.conflict_attempt_kept
     where logged_at < drop_partitions.before::pg_catalog.timestamp at time zone 'UTC';
end
$_$;

COMMENT ON FUNCTION pgconflict.drop_partitions(before date) IS 'Drops the days before this UTC day; open and unacknowledged rows that stopped apply are kept';

CREATE FUNCTION pgconflict.forget_verdicts(before date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.forget_verdicts(before date) IS 'Removes verdicts, events and counts of conflicts that drop_partitions() dropped';

CREATE FUNCTION pgconflict.make_partition(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
    suffix text := pg_catalog.to_char(make_partition.day, 'YYYYMMDD');
    low timestamptz := make_partition.day::pg_catalog.timestamp at time zone 'UTC';
    high timestamptz := (make_partition.day + 1)::pg_catalog.timestamp at time zone 'UTC';
    log_name text := 'conflict_log_' || suffix;
    attempt_name text := 'conflict_attempt_' || suffix;
    writer text;
begin
    if pg_catalog.to_regclass('pgconflict.' || log_name) is not null then
        return false;
    end if;
    -- Two daemons may need the same day at the same moment.
    perform pg_catalog.pg_advisory_xact_lock(
        pg_catalog.hashtext('pgconflict.make_partition'), 0);
    -- Asked of the table: a cache may still hold that there was none.
    if exists (select from pg_catalog.pg_class c
                where c.relname = log_name
                  and c.relnamespace = 'pgconflict'::pg_catalog.regnamespace) then
        return false;
    end if;
    execute pg_catalog.format(
        'create table pgconflict.%I (like pgconflict.conflict_log including defaults including comments)'
        ' with (fillfactor = 90, autovacuum_vacuum_insert_scale_factor = 0.5)',
        log_name);
    execute pg_catalog.format(
        'create unique index on pgconflict.%I (system_identifier, (coalesce(subid, 0)),'
        ' (coalesce(remote_commit_lsn, ''0/0'')), identity, place)', log_name);
    execute pg_catalog.format(
        'create index on pgconflict.%I using brin (conflict_id,'
        ' remote_xid int8_minmax_multi_ops, relation text_bloom_ops,'
        ' replica_identity_text text_bloom_ops)', log_name);
    execute pg_catalog.format(
        'create index on pgconflict.%I (system_identifier, subid) where stalls',
        log_name);
    perform pgconflict.prepare_day(log_name);
    -- A longer retention may bring back a day of which rows were kept.
    execute pg_catalog.format(
        'with kept as (delete from pgconflict.conflict_log_kept'
        ' where first_logged_at >= %L and first_logged_at < %L returning *)'
        ' insert into pgconflict.%I select * from kept', low, high, log_name);
    execute pg_catalog.format(
        'alter table pgconflict.conflict_log attach partition pgconflict.%I'
        ' for values from (%L) to (%L)', log_name, low, high);
    execute pg_catalog.format(
        'create table pgconflict.%I (like pgconflict.conflict_attempt including comments)',
        attempt_name);
    execute pg_catalog.format(
        'alter table pgconflict.conflict_attempt attach partition pgconflict.%I'
        ' for values from (%L) to (%L)', attempt_name, low, high);
    -- Who writes through the parent also writes straight into the day (COPY, ON
    -- CONFLICT on the day's own index), which the parent's privileges don't cover.
    for writer in
        select distinct case when a.grantee = 0 then 'public'
                             else pg_catalog.quote_ident(r.rolname) end
          from pg_catalog.pg_class c
          cross join lateral pg_catalog.aclexplode(c.relacl) a
          left join pg_catalog.pg_roles r on r.oid = a.grantee
         where c.oid = 'pgconflict.conflict_log'::pg_catalog.regclass
           and a.privilege_type = 'INSERT' and a.grantee <> c.relowner
    loop
        execute pg_catalog.format(
            'grant select, insert on pgconflict.%I, pgconflict.%I to %s',
            log_name, attempt_name, writer);
    end loop;
    return true;
end
$$;

COMMENT ON FUNCTION pgconflict.make_partition(day date) IS 'Makes the partitions of one UTC day; false when they are there';

CREATE FUNCTION pgconflict.prepare_day(table_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.prepare_day(table_name text) IS 'Gives a table of conflict_log the indexes and triggers that its questions need';

CREATE FUNCTION pgconflict.prepare_effects(table_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
    -- Of what was looked at, all but what did nothing: rare in a healthy pair. What
    -- is stored passes it by, so that it costs who writes nothing.
    execute pg_catalog.format(
        'create index on pgconflict.%I (first_logged_at, conflict_id)'
        ' where verdict is not null and effect is distinct from ''none''', table_name);
    perform pgconflict.count_effects_of(table_name);
end
$$;

COMMENT ON FUNCTION pgconflict.prepare_effects(table_name text) IS 'Gives a table of conflict_log the index and triggers that questions of harm need';

CREATE FUNCTION pgconflict.recount_effects(since timestamp with time zone, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.recount_effects(since timestamp with time zone, until timestamp with time zone) IS 'Counts the hours from one time to before another again; only after TRUNCATE or work with triggers off';

CREATE FUNCTION pgconflict.recount_hours(since timestamp with time zone, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.recount_hours(since timestamp with time zone, until timestamp with time zone) IS 'Counts the hours from one time to before another again; only after TRUNCATE or work with triggers off';

CREATE FUNCTION pgconflict.summarize_days() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

COMMENT ON FUNCTION pgconflict.summarize_days() IS 'Brings the BRIN indexes of yesterday and today up to date; the daemon calls it now and then';

CREATE FUNCTION pgconflict.version() RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$ select max(step) from pgconflict.schema_step $$;

COMMENT ON FUNCTION pgconflict.version() IS 'The newest step of the schema; the daemon refuses one it does not know';

CREATE TABLE pgconflict.conflict_attempt (
    system_identifier bigint NOT NULL,
    identity bytea NOT NULL,
    session_id text NOT NULL,
    line_num bigint NOT NULL,
    logged_at timestamp with time zone NOT NULL,
    subid oid,
    remote_commit_lsn pg_lsn,
    place integer NOT NULL,
    pid integer
)
PARTITION BY RANGE (logged_at);

COMMENT ON TABLE pgconflict.conflict_attempt IS 'Log entries that repeat a conflict already in conflict_log: its second attempt and later';

CREATE TABLE pgconflict.conflict_attempt_kept (
    system_identifier bigint CONSTRAINT conflict_attempt_system_identifier_not_null NOT NULL,
    identity bytea CONSTRAINT conflict_attempt_identity_not_null NOT NULL,
    session_id text CONSTRAINT conflict_attempt_session_id_not_null NOT NULL,
    line_num bigint CONSTRAINT conflict_attempt_line_num_not_null NOT NULL,
    logged_at timestamp with time zone CONSTRAINT conflict_attempt_logged_at_not_null NOT NULL,
    subid oid,
    remote_commit_lsn pg_lsn,
    place integer CONSTRAINT conflict_attempt_place_not_null NOT NULL,
    pid integer
);

CREATE TABLE pgconflict.conflict_event (
    conflict_id bigint NOT NULL,
    event_id bigint NOT NULL,
    first_logged_at timestamp with time zone NOT NULL,
    writes bigint[] NOT NULL
);

COMMENT ON TABLE pgconflict.conflict_event IS 'Conflicts that are one event: writes of one row, none of which had seen the other, as each node logged it; only what is proved';

COMMENT ON COLUMN pgconflict.conflict_event.event_id IS 'The lowest conflict_id that the event has, or had when its conflicts were joined';

COMMENT ON COLUMN pgconflict.conflict_event.writes IS 'Digests of row and transaction, of both writes where known: events that share one are one';

CREATE TABLE pgconflict.conflict_hour (
    hour timestamp with time zone NOT NULL,
    node text NOT NULL,
    subname text,
    kind text NOT NULL,
    conflict_type text,
    schemaname text,
    relname text,
    relation text,
    conflicts bigint NOT NULL,
    attempts bigint NOT NULL,
    stalled bigint NOT NULL
)
WITH (fillfactor='60');

COMMENT ON TABLE pgconflict.conflict_hour IS 'Conflicts of each hour (UTC, by first_logged_at); kept exact by triggers on conflict_log, TRUNCATE excepted: recount_hours() mends';

COMMENT ON COLUMN pgconflict.conflict_hour.conflicts IS 'Rows of conflict_log';

COMMENT ON COLUMN pgconflict.conflict_hour.attempts IS 'How often these were logged, later hours included';

COMMENT ON COLUMN pgconflict.conflict_hour.stalled IS 'How many of the conflicts stopped apply';

CREATE SEQUENCE pgconflict.conflict_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE pgconflict.conflict_log (
    conflict_id bigint DEFAULT nextval('pgconflict.conflict_id_seq'::regclass) NOT NULL,
    kind text NOT NULL,
    conflict_type text,
    severity text,
    sqlstate text,
    stalls boolean NOT NULL,
    node text NOT NULL,
    system_identifier bigint NOT NULL,
    database text,
    subid oid,
    subname text,
    relid oid,
    schemaname text,
    relname text,
    relation text,
    operation text,
    index_names text[],
    remote_origin text,
    remote_xid bigint,
    remote_commit_lsn pg_lsn,
    remote_commit_ts timestamp with time zone,
    replica_identity_full boolean,
    replica_identity jsonb,
    remote_tuple jsonb,
    local_conflicts jsonb[],
    truncated_columns text[],
    replica_identity_text text,
    remote_tuple_text text,
    message text,
    detail text,
    context text,
    attempts bigint DEFAULT 1 NOT NULL,
    first_logged_at timestamp with time zone NOT NULL,
    last_logged_at timestamp with time zone NOT NULL,
    ingested_at timestamp with time zone DEFAULT now() NOT NULL,
    source text NOT NULL,
    status text NOT NULL,
    status_at timestamp with time zone,
    verdict text,
    verdict_at timestamp with time zone,
    cause text,
    effect text,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    note text,
    identity bytea NOT NULL,
    place integer DEFAULT 1 NOT NULL,
    pid integer,
    session_id text NOT NULL,
    line_num bigint NOT NULL
)
PARTITION BY RANGE (first_logged_at);

COMMENT ON TABLE pgconflict.conflict_log IS 'One row a conflict or apply error, however often it was logged or read';

COMMENT ON COLUMN pgconflict.conflict_log.conflict_id IS 'Stable number of the row';

COMMENT ON COLUMN pgconflict.conflict_log.kind IS 'conflict; apply_error: any other error that stops apply; sync_error: initial table copy or sequence synchronisation; difference: no log entry, found by comparing tables';

COMMENT ON COLUMN pgconflict.conflict_log.conflict_type IS 'PostgreSQL''s word for the conflict; null for other kinds';

COMMENT ON COLUMN pgconflict.conflict_log.severity IS 'As logged, in English';

COMMENT ON COLUMN pgconflict.conflict_log.stalls IS 'Apply stopped on it';

COMMENT ON COLUMN pgconflict.conflict_log.node IS 'Name of the node in the configuration';

COMMENT ON COLUMN pgconflict.conflict_log.system_identifier IS 'The node''s own identity, from pg_control_system()';

COMMENT ON COLUMN pgconflict.conflict_log.relname IS 'Resolved in the node''s catalog; null where that is not certain';

COMMENT ON COLUMN pgconflict.conflict_log.relation IS 'The relation as the server printed it, neither quoted nor escaped';

COMMENT ON COLUMN pgconflict.conflict_log.operation IS 'The remote change, from the context: INSERT, UPDATE, DELETE, TRUNCATE';

COMMENT ON COLUMN pgconflict.conflict_log.index_names IS 'Unique indexes violated, in the server''s order';

COMMENT ON COLUMN pgconflict.conflict_log.remote_commit_lsn IS 'The LSN that ALTER SUBSCRIPTION ... SKIP takes; null until known (parallel apply)';

COMMENT ON COLUMN pgconflict.conflict_log.remote_commit_ts IS 'Commit time on the publisher; null unless it could be looked up';

COMMENT ON COLUMN pgconflict.conflict_log.replica_identity IS 'Column to text; null when absent or not splittable without guessing';

COMMENT ON COLUMN pgconflict.conflict_log.remote_tuple IS 'Column to text; null when absent or not splittable without guessing';

COMMENT ON COLUMN pgconflict.conflict_log.local_conflicts IS 'One element a local row: xid, commit_ts, origin, origin_kind, index, key, tuple, key_text, tuple_text';

COMMENT ON COLUMN pgconflict.conflict_log.truncated_columns IS 'Columns whose values the server cut at 64 bytes, marked by ...';

COMMENT ON COLUMN pgconflict.conflict_log.attempts IS 'How many times the server logged it; a retry is not a new conflict';

COMMENT ON COLUMN pgconflict.conflict_log.status IS 'open, applied, skipped or disabled';

COMMENT ON COLUMN pgconflict.conflict_log.identity IS 'Digest of kind, origin, remote transaction, type, relation and key';

COMMENT ON COLUMN pgconflict.conflict_log.place IS 'Which of several equal entries of one attempt this is, from 1';

COMMENT ON COLUMN pgconflict.conflict_log.session_id IS 'With line_num: the log entry of the first attempt recorded';

CREATE TABLE pgconflict.conflict_log_kept (
    conflict_id bigint DEFAULT nextval('pgconflict.conflict_id_seq'::regclass) CONSTRAINT conflict_log_conflict_id_not_null NOT NULL,
    kind text CONSTRAINT conflict_log_kind_not_null NOT NULL,
    conflict_type text,
    severity text,
    sqlstate text,
    stalls boolean CONSTRAINT conflict_log_stalls_not_null NOT NULL,
    node text CONSTRAINT conflict_log_node_not_null NOT NULL,
    system_identifier bigint CONSTRAINT conflict_log_system_identifier_not_null NOT NULL,
    database text,
    subid oid,
    subname text,
    relid oid,
    schemaname text,
    relname text,
    relation text,
    operation text,
    index_names text[],
    remote_origin text,
    remote_xid bigint,
    remote_commit_lsn pg_lsn,
    remote_commit_ts timestamp with time zone,
    replica_identity_full boolean,
    replica_identity jsonb,
    remote_tuple jsonb,
    local_conflicts jsonb[],
    truncated_columns text[],
    replica_identity_text text,
    remote_tuple_text text,
    message text,
    detail text,
    context text,
    attempts bigint DEFAULT 1 CONSTRAINT conflict_log_attempts_not_null NOT NULL,
    first_logged_at timestamp with time zone CONSTRAINT conflict_log_first_logged_at_not_null NOT NULL,
    last_logged_at timestamp with time zone CONSTRAINT conflict_log_last_logged_at_not_null NOT NULL,
    ingested_at timestamp with time zone DEFAULT now() CONSTRAINT conflict_log_ingested_at_not_null NOT NULL,
    source text CONSTRAINT conflict_log_source_not_null NOT NULL,
    status text CONSTRAINT conflict_log_status_not_null NOT NULL,
    status_at timestamp with time zone,
    verdict text,
    verdict_at timestamp with time zone,
    cause text,
    effect text,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    note text,
    identity bytea CONSTRAINT conflict_log_identity_not_null NOT NULL,
    place integer DEFAULT 1 CONSTRAINT conflict_log_place_not_null NOT NULL,
    pid integer,
    session_id text CONSTRAINT conflict_log_session_id_not_null NOT NULL,
    line_num bigint CONSTRAINT conflict_log_line_num_not_null NOT NULL
);

CREATE VIEW pgconflict.conflicts_by_table_hour AS
 SELECT hour,
    schemaname,
    relname,
    relation,
    (sum(conflicts))::bigint AS conflicts,
    (sum(attempts))::bigint AS attempts,
    (sum(stalled))::bigint AS stalled,
    array_agg(DISTINCT node ORDER BY node) AS nodes,
    array_agg(DISTINCT conflict_type ORDER BY conflict_type) FILTER (WHERE (conflict_type IS NOT NULL)) AS conflict_types
   FROM pgconflict.conflict_hour
  WHERE (conflicts > 0)
  GROUP BY hour, schemaname, relname, relation;

COMMENT ON VIEW pgconflict.conflicts_by_table_hour IS 'Conflicts and errors by table and hour (UTC); reads conflict_hour, so it is quick over any time';

CREATE TABLE pgconflict.digest_key (
    key bytea NOT NULL
);

COMMENT ON TABLE pgconflict.digest_key IS 'Secret that keeps identities from telling the keys that row_data hides; for the daemon only';

CREATE TABLE pgconflict.effect_hour (
    hour timestamp with time zone NOT NULL,
    node text NOT NULL,
    subname text,
    kind text NOT NULL,
    conflict_type text,
    schemaname text,
    relname text,
    relation text,
    cause text,
    effect text,
    conflicts bigint NOT NULL
)
WITH (fillfactor='60');

COMMENT ON TABLE pgconflict.effect_hour IS 'Conflicts of each hour (UTC, by first_logged_at) that were looked at, by cause and effect; kept exact by triggers on conflict_log, TRUNCATE excepted: recount_effects() mends';

CREATE TABLE pgconflict.ledger (
    system_identifier bigint NOT NULL,
    node text NOT NULL,
    subid oid NOT NULL,
    subname text NOT NULL,
    counter text NOT NULL,
    began_at timestamp with time zone NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    stats_reset timestamp with time zone,
    ended_at timestamp with time zone,
    ended_by text,
    base bigint NOT NULL,
    server_count bigint NOT NULL,
    recorded_count bigint NOT NULL,
    unaccounted bigint NOT NULL,
    database text,
    statistics_began timestamp with time zone
)
WITH (fillfactor='70');

COMMENT ON TABLE pgconflict.ledger IS 'One row an epoch of a counter: from a reset of the server''s statistics to the next';

COMMENT ON COLUMN pgconflict.ledger.began_at IS 'From here on every conflict that the server counted is accounted for';

COMMENT ON COLUMN pgconflict.ledger.checked_at IS 'When server and log were last compared';

COMMENT ON COLUMN pgconflict.ledger.ended_by IS 'reset: statistics reset; restart: the server lost its statistics in a crash or was promoted; dropped: the subscription is gone';

COMMENT ON COLUMN pgconflict.ledger.base IS 'server_count - recorded_count when the epoch began';

COMMENT ON COLUMN pgconflict.ledger.unaccounted IS 'Conflicts counted by the server and not recorded (negative: recorded and not counted); 0 is complete';

COMMENT ON COLUMN pgconflict.ledger.database IS 'Database of the subscription; null in rows made before this column';

COMMENT ON COLUMN pgconflict.ledger.statistics_began IS 'When the server''s statistics began, from pg_stat_bgwriter: another one tells of a crash though no counter fell';

CREATE TABLE pgconflict.ledger_difference (
    system_identifier bigint NOT NULL,
    subid oid NOT NULL,
    counter text NOT NULL,
    epoch_began_at timestamp with time zone NOT NULL,
    after timestamp with time zone NOT NULL,
    found_at timestamp with time zone NOT NULL,
    difference bigint NOT NULL,
    reasons text[] NOT NULL
);

COMMENT ON TABLE pgconflict.ledger_difference IS 'One row each time that an epoch''s count of what is not accounted for changed; none once all of it was recorded after all';

COMMENT ON COLUMN pgconflict.ledger_difference.after IS 'The comparison before it: by then the difference was not there';

COMMENT ON COLUMN pgconflict.ledger_difference.found_at IS 'The comparison that found it';

COMMENT ON COLUMN pgconflict.ledger_difference.difference IS 'What was added to unaccounted';

COMMENT ON COLUMN pgconflict.ledger_difference.reasons IS 'What may have hidden the entries: log_vanished, log_truncated, unrecognised_REASON, or a word of pgconflict check';

CREATE TABLE pgconflict.log_complete (
    system_identifier bigint NOT NULL,
    node text NOT NULL,
    since timestamp with time zone NOT NULL
);

COMMENT ON TABLE pgconflict.log_complete IS 'Since when, by the node''s clock, its log is recorded without a gap: what it did not log since then did not happen';

CREATE TABLE pgconflict.log_position (
    node text NOT NULL,
    system_identifier bigint NOT NULL,
    log_format text NOT NULL,
    file_name text NOT NULL,
    signature bytea NOT NULL,
    signature_length integer NOT NULL,
    byte_offset bigint NOT NULL,
    state jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE pgconflict.log_position IS 'How far each node''s log is recorded; moves in the transaction that stores the rows';

CREATE TABLE pgconflict.lost_change (
    action_id bigint NOT NULL,
    place bigint NOT NULL,
    schemaname text,
    relname text,
    operation text NOT NULL,
    key jsonb,
    row_data jsonb
);

COMMENT ON TABLE pgconflict.lost_change IS 'Changes of skipped transactions, in the order of the transaction';

COMMENT ON COLUMN pgconflict.lost_change.key IS 'Replica identity of the row, column to text; null where it is not known or not kept';

COMMENT ON COLUMN pgconflict.lost_change.row_data IS 'The new row, column to text, without large values that did not change; null for DELETE and TRUNCATE, or where it is not known or not kept';

CREATE TABLE pgconflict.lsn_range (
    system_identifier bigint NOT NULL,
    subid oid NOT NULL,
    day date NOT NULL,
    min_lsn pg_lsn NOT NULL,
    max_lsn pg_lsn NOT NULL
);

COMMENT ON TABLE pgconflict.lsn_range IS 'Which remote LSNs each day''s partition can hold: where an old conflict must be looked for';

CREATE TABLE pgconflict.moved_row (
    action_id bigint NOT NULL,
    place bigint NOT NULL,
    schemaname text NOT NULL,
    relname text NOT NULL,
    fate text NOT NULL,
    key jsonb,
    row_data jsonb
);

COMMENT ON TABLE pgconflict.moved_row IS 'Local rows that made room for a transaction that had stopped apply, as they were before';

COMMENT ON COLUMN pgconflict.moved_row.fate IS 'What was planned for it: replaced, removed, becomes the publisher''s version, gets another key';

COMMENT ON COLUMN pgconflict.moved_row.key IS 'Column to text, as far as conflict_log.row_data lets it be kept';

COMMENT ON COLUMN pgconflict.moved_row.row_data IS 'The whole row, column to text, as far as conflict_log.row_data lets it be kept';

CREATE TABLE pgconflict.native_position (
    system_identifier bigint NOT NULL,
    subid oid NOT NULL,
    remote_commit_lsn pg_lsn NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE pgconflict.native_position IS 'How far each subscription''s own conflict table was copied, where a server has one';

CREATE VIEW pgconflict.open_conflicts AS
 SELECT conflict_id,
    first_logged_at,
    last_logged_at,
    attempts,
    status,
    node,
    database,
    subname,
    kind,
    conflict_type,
    sqlstate,
    schemaname,
    relname,
    relation,
    operation,
    index_names,
    remote_origin,
    remote_xid,
    remote_commit_lsn,
    replica_identity_text,
    message,
    acknowledged_at,
    acknowledged_by,
    note
   FROM pgconflict.conflict_log c
  WHERE (stalls AND (status = ANY (ARRAY['open'::text, 'disabled'::text])));

COMMENT ON VIEW pgconflict.open_conflicts IS 'What keeps a subscription from applying: logged again at each attempt (open), or disabled because of it';

CREATE TABLE pgconflict.table_owner (
    role_name name NOT NULL,
    node text,
    schemaname text NOT NULL,
    relname text
);

COMMENT ON TABLE pgconflict.table_owner IS 'Which tables'' conflicts a role and its members see in own_conflicts';

COMMENT ON COLUMN pgconflict.table_owner.node IS 'Null: the tables of every node';

COMMENT ON COLUMN pgconflict.table_owner.relname IS 'Null: every table of the schema';

CREATE VIEW pgconflict.own_conflicts WITH (security_barrier='true') AS
 SELECT conflict_id,
    kind,
    conflict_type,
    severity,
    sqlstate,
    stalls,
    node,
    system_identifier,
    database,
    subid,
    subname,
    relid,
    schemaname,
    relname,
    relation,
    operation,
    index_names,
    remote_origin,
    remote_xid,
    remote_commit_lsn,
    remote_commit_ts,
    replica_identity_full,
    replica_identity,
    remote_tuple,
    local_conflicts,
    truncated_columns,
    replica_identity_text,
    remote_tuple_text,
    message,
    detail,
    context,
    attempts,
    first_logged_at,
    last_logged_at,
    ingested_at,
    source,
    status,
    status_at,
    verdict,
    verdict_at,
    cause,
    effect,
    acknowledged_at,
    acknowledged_by,
    note,
    identity,
    place,
    pid,
    session_id,
    line_num
   FROM pgconflict.conflict_log c
  WHERE (EXISTS ( SELECT
           FROM (pgconflict.table_owner o
             JOIN pg_roles r ON ((r.rolname = o.role_name)))
          WHERE (pg_has_role(CURRENT_USER, r.oid, 'usage'::text) AND (o.schemaname = c.schemaname) AND ((o.relname IS NULL) OR (o.relname = c.relname)) AND ((o.node IS NULL) OR (o.node = c.node)))));

COMMENT ON VIEW pgconflict.own_conflicts IS 'The conflicts on the tables that table_owner gives to the current role; only where the table''s name is certain';

CREATE VIEW pgconflict.pg_conflict_log AS
 SELECT relid,
    schemaname,
    relname,
    conflict_type,
    ((remote_xid)::text)::xid AS remote_xid,
    remote_commit_lsn,
    remote_commit_ts,
    remote_origin,
    replica_identity_full,
    (replica_identity)::json AS replica_identity,
    (remote_tuple)::json AS remote_tuple,
        CASE
            WHEN (local_conflicts IS NOT NULL) THEN ARRAY( SELECT row_to_json(e.*) AS row_to_json
               FROM (unnest(c.local_conflicts) WITH ORDINALITY l("row", place)
                 CROSS JOIN LATERAL ( SELECT (l."row" ->> 'xid'::text) AS xid,
                        ((l."row" ->> 'commit_ts'::text))::timestamp with time zone AS commit_ts,
                        (l."row" ->> 'origin'::text) AS origin,
                        (NULLIF((l."row" -> 'key'::text), 'null'::jsonb))::json AS key,
                        (NULLIF((l."row" -> 'tuple'::text), 'null'::jsonb))::json AS tuple) e)
              ORDER BY l.place)
            ELSE NULL::json[]
        END AS local_conflicts
   FROM pgconflict.conflict_log c
  WHERE (kind = 'conflict'::text);

COMMENT ON VIEW pgconflict.pg_conflict_log IS 'The conflicts of all nodes in the columns of the tables pg_conflict.pg_conflict_log_<subid> of PostgreSQL 20: a query for one works on the other';

CREATE TABLE pgconflict.position_seen (
    place bigint NOT NULL,
    system_identifier bigint NOT NULL,
    subid bigint,
    up_since timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    began timestamp with time zone[] NOT NULL,
    ended timestamp with time zone[] NOT NULL,
    lsn bigint[] NOT NULL,
    confirmed bigint[] NOT NULL,
    oldest_xid bigint[] NOT NULL
);

COMMENT ON TABLE pgconflict.position_seen IS 'How far each node had written its WAL, or applied another''s, in the last six hours';

COMMENT ON COLUMN pgconflict.position_seen.subid IS 'The subscription that had applied so far; null: the node''s own WAL was written so far';

COMMENT ON COLUMN pgconflict.position_seen.up_since IS 'The same between two positions: the server did not crash between them';

COMMENT ON COLUMN pgconflict.position_seen.until IS 'The last of `ended`';

COMMENT ON COLUMN pgconflict.position_seen.began IS 'The node''s clock before it was asked each time; ended: after';

COMMENT ON COLUMN pgconflict.position_seen.lsn IS 'The positions, as numbers; confirmed: what had been confirmed to the publisher before';

COMMENT ON COLUMN pgconflict.position_seen.oldest_xid IS 'Every lower transaction had ended before the position was read';

ALTER TABLE pgconflict.position_seen ALTER COLUMN place ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgconflict.position_seen_place_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgconflict.recorded_entry_count (
    system_identifier bigint NOT NULL,
    subid oid NOT NULL,
    counter text NOT NULL,
    entries bigint NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE pgconflict.recorded_entry_count IS 'Log entries recorded, retries included, by the counter of pg_stat_subscription_stats that the server raised for them; grows in the transaction that stores them';

COMMENT ON COLUMN pgconflict.recorded_entry_count.counter IS 'A conflict type, or apply_error: any ERROR of an apply worker that names its origin';

CREATE TABLE pgconflict.repair (
    repair_id bigint NOT NULL,
    conflict_ids bigint[] NOT NULL,
    schemaname text NOT NULL,
    relname text NOT NULL,
    key jsonb,
    winner text NOT NULL,
    nodes text[] NOT NULL,
    statements jsonb NOT NULL,
    before jsonb,
    written text[] DEFAULT '{}'::text[] NOT NULL,
    outcome text,
    seen text[],
    began_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    conflict_log_role text DEFAULT SESSION_USER NOT NULL,
    os_user text NOT NULL,
    host text NOT NULL,
    reason text
);

COMMENT ON TABLE pgconflict.repair IS 'One row a repair done with --apply: which row, who, when, why, what came of it';

COMMENT ON COLUMN pgconflict.repair.key IS 'Of the row, column to text, as conflict_log.row_data allows';

COMMENT ON COLUMN pgconflict.repair.nodes IS 'The nodes that were to be written, in this order';

COMMENT ON COLUMN pgconflict.repair.statements IS 'Node to the statements, values left out';

COMMENT ON COLUMN pgconflict.repair.before IS 'Node to its row before the repair, as conflict_log.row_data allows; null: no row';

COMMENT ON COLUMN pgconflict.repair.written IS 'The nodes whose transaction had committed';

COMMENT ON COLUMN pgconflict.repair.outcome IS 'Null: it did not come to its end, see written. repaired, refused: nothing was written, partial: written has the nodes that were, failed: not known whether the node behind written was';

ALTER TABLE pgconflict.repair ALTER COLUMN repair_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgconflict.repair_repair_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW pgconflict.row_history AS
 SELECT c.schemaname,
    c.relname,
    k.key,
    c.first_logged_at,
    c.node,
    c.subname,
    c.conflict_type,
    c.operation,
    c.remote_origin,
    c.remote_xid,
    c.remote_commit_lsn,
    c.remote_commit_ts,
    c.remote_tuple_text,
    c.remote_tuple,
    c.local_conflicts,
    c.attempts,
    c.status,
    c.verdict,
    c.effect,
    c.conflict_id
   FROM (pgconflict.conflict_log c
     CROSS JOIN LATERAL ( SELECT c.replica_identity_text AS key) k)
  WHERE ((c.kind = 'conflict'::text) AND (k.key IS NOT NULL))
UNION ALL
 SELECT c.schemaname,
    c.relname,
    k.key,
    c.first_logged_at,
    c.node,
    c.subname,
    c.conflict_type,
    c.operation,
    c.remote_origin,
    c.remote_xid,
    c.remote_commit_lsn,
    c.remote_commit_ts,
    c.remote_tuple_text,
    c.remote_tuple,
    c.local_conflicts,
    c.attempts,
    c.status,
    c.verdict,
    c.effect,
    c.conflict_id
   FROM (pgconflict.conflict_log c
     CROSS JOIN LATERAL ( SELECT DISTINCT (l.l ->> 'key_text'::text) AS key
           FROM unnest(c.local_conflicts) l(l)) k)
  WHERE ((c.kind = 'conflict'::text) AND c.stalls AND (k.key IS NOT NULL) AND (k.key IS DISTINCT FROM c.replica_identity_text))
UNION ALL
 SELECT c.schemaname,
    c.relname,
    k.key,
    c.first_logged_at,
    c.node,
    c.subname,
    c.conflict_type,
    c.operation,
    c.remote_origin,
    c.remote_xid,
    c.remote_commit_lsn,
    c.remote_commit_ts,
    c.remote_tuple_text,
    c.remote_tuple,
    c.local_conflicts,
    c.attempts,
    c.status,
    c.verdict,
    c.effect,
    c.conflict_id
   FROM (pgconflict.conflict_log c
     CROSS JOIN LATERAL ( SELECT (((('('::text || string_agg(e.key, ', '::text)) || ')=('::text) || string_agg(COALESCE(e.value, 'null'::text), ', '::text)) || ')'::text) AS key
           FROM jsonb_each_text(c.replica_identity) e(key, value)) k)
  WHERE ((c.kind = 'conflict'::text) AND (c.source = 'native'::text) AND (c.replica_identity_text IS NULL) AND (NOT COALESCE(c.replica_identity_full, false)) AND (k.key IS NOT NULL));

COMMENT ON VIEW pgconflict.row_history IS 'The conflicts of one row on all nodes; ask by schemaname, relname and key, key as in (id)=(1)';

CREATE TABLE pgconflict.schema_step (
    step integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_by text DEFAULT SESSION_USER NOT NULL
);

COMMENT ON TABLE pgconflict.schema_step IS 'The numbered steps of sql/schema that were applied here';

CREATE TABLE pgconflict.sequence_sync (
    sync_id bigint NOT NULL,
    kind text NOT NULL,
    source_node text,
    target_nodes text[] NOT NULL,
    database text NOT NULL,
    options jsonb NOT NULL,
    began_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    outcome text,
    moved bigint,
    unchanged bigint,
    blocked bigint,
    doubts bigint,
    source_lsn pg_lsn,
    applied_lsn pg_lsn,
    longest_lock interval,
    seen text[],
    conflict_log_role text DEFAULT SESSION_USER NOT NULL,
    node_role text NOT NULL,
    os_user text NOT NULL,
    host text NOT NULL,
    pgconflict_version text NOT NULL,
    CONSTRAINT sequence_sync_kind_check CHECK ((kind = ANY (ARRAY['sync'::text, 'cutover'::text, 'stagger'::text]))),
    CONSTRAINT sequence_sync_outcome_check CHECK ((outcome = ANY (ARRAY['proved'::text, 'not_proved'::text, 'failed'::text])))
);

COMMENT ON TABLE pgconflict.sequence_sync IS 'One row a run of sequences sync or stagger with --apply: who, when, from where to where, what came of it';

COMMENT ON COLUMN pgconflict.sequence_sync.kind IS 'sync; cutover: sync after the target had applied all of the source''s WAL; stagger: own residues or ranges';

COMMENT ON COLUMN pgconflict.sequence_sync.source_node IS 'Name of the node in the configuration; null for stagger';

COMMENT ON COLUMN pgconflict.sequence_sync.target_nodes IS 'Names of the nodes whose sequences were moved';

COMMENT ON COLUMN pgconflict.sequence_sync.database IS 'The database on all of these nodes';

COMMENT ON COLUMN pgconflict.sequence_sync.options IS 'What was asked for, as on the command line';

COMMENT ON COLUMN pgconflict.sequence_sync.ended_at IS 'Null: it did not come to its end; what it had moved by then stays moved, run it again';

COMMENT ON COLUMN pgconflict.sequence_sync.outcome IS 'proved: every next value of the targets is a new one; not_proved: the values that are not say why; failed: it ended with an error';

COMMENT ON COLUMN pgconflict.sequence_sync.moved IS 'Sequences that were given a new position or definition';

COMMENT ON COLUMN pgconflict.sequence_sync.unchanged IS 'Sequences that were as they should be';

COMMENT ON COLUMN pgconflict.sequence_sync.blocked IS 'Sequences that something kept from being what was asked for';

COMMENT ON COLUMN pgconflict.sequence_sync.doubts IS 'Sequences that are not proved';

COMMENT ON COLUMN pgconflict.sequence_sync.source_lsn IS 'cutover: the position that the target had to have applied';

COMMENT ON COLUMN pgconflict.sequence_sync.applied_lsn IS 'cutover: what its slots had confirmed by then, the least of them';

COMMENT ON COLUMN pgconflict.sequence_sync.longest_lock IS 'Longest time for which a sequence was locked';

COMMENT ON COLUMN pgconflict.sequence_sync.seen IS 'What was seen on the way: who still wrote, what was waited for';

COMMENT ON COLUMN pgconflict.sequence_sync.conflict_log_role IS 'Role that wrote this row';

COMMENT ON COLUMN pgconflict.sequence_sync.node_role IS 'Role that moved the sequences';

COMMENT ON COLUMN pgconflict.sequence_sync.os_user IS 'Account of the operating system that ran pgconflict';

COMMENT ON COLUMN pgconflict.sequence_sync.host IS 'Host that ran pgconflict';

ALTER TABLE pgconflict.sequence_sync ALTER COLUMN sync_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgconflict.sequence_sync_sync_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgconflict.sequence_sync_value (
    sync_id bigint NOT NULL,
    place integer NOT NULL,
    node text NOT NULL,
    schemaname text NOT NULL,
    sequencename text NOT NULL,
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
    moved boolean NOT NULL,
    reason text NOT NULL,
    doubt text
);

COMMENT ON TABLE pgconflict.sequence_sync_value IS 'Each sequence of a run: what the source said, what was, what is, why, and whether that is proved';

COMMENT ON COLUMN pgconflict.sequence_sync_value.place IS 'Order within the run';

COMMENT ON COLUMN pgconflict.sequence_sync_value.node IS 'The node whose sequence this is';

COMMENT ON COLUMN pgconflict.sequence_sync_value.source_last_value IS 'Of the source when it was read for the proof; null for stagger, or when it could not be read';

COMMENT ON COLUMN pgconflict.sequence_sync_value.old_last_value IS 'Of the target when the plan was made; null when it was missing';

COMMENT ON COLUMN pgconflict.sequence_sync_value.last_value IS 'Of the target when it was read for the proof';

COMMENT ON COLUMN pgconflict.sequence_sync_value.increment IS 'With minimum and maximum: the definition of the target then';

COMMENT ON COLUMN pgconflict.sequence_sync_value.relfilenode IS 'Of the target then: another one later tells that somebody ran ALTER SEQUENCE or TRUNCATE ... RESTART IDENTITY';

COMMENT ON COLUMN pgconflict.sequence_sync_value.column_value IS 'Value of its column that it would give out again; null when there is none, or columns were not asked';

COMMENT ON COLUMN pgconflict.sequence_sync_value.moved IS 'It was given a new position or definition';

COMMENT ON COLUMN pgconflict.sequence_sync_value.reason IS 'Why it was moved, or was not';

COMMENT ON COLUMN pgconflict.sequence_sync_value.doubt IS 'Null: proved, each next value is a new one; else why not';

CREATE TABLE pgconflict.streamed_transaction (
    system_identifier bigint NOT NULL,
    subid oid NOT NULL,
    remote_xid bigint NOT NULL,
    remote_commit_lsn pg_lsn,
    seen_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE pgconflict.streamed_transaction IS 'Transactions that parallel apply logged without their finish LSN, and the LSN once it was learnt';

CREATE TABLE pgconflict.subscription_action (
    action_id bigint NOT NULL,
    action text NOT NULL,
    node text NOT NULL,
    system_identifier bigint NOT NULL,
    database text NOT NULL,
    subid oid NOT NULL,
    subname text NOT NULL,
    slot_name text,
    publisher text,
    remote_commit_lsn pg_lsn,
    remote_xid bigint,
    statements text[] NOT NULL,
    began_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    outcome text,
    seen text[],
    conflict_log_role text DEFAULT SESSION_USER NOT NULL,
    node_role text NOT NULL,
    os_user text NOT NULL,
    host text NOT NULL,
    reason text,
    changes bigint,
    changes_known boolean NOT NULL,
    CONSTRAINT subscription_action_action_check CHECK ((action = ANY (ARRAY['skip'::text, 'drop'::text, 'keep_ours'::text, 'keep_theirs'::text, 'keep_both'::text])))
);

COMMENT ON TABLE pgconflict.subscription_action IS 'One row a skip, drop, or repair of stopped apply done with --apply: who, when, why, what came of it';

COMMENT ON COLUMN pgconflict.subscription_action.publisher IS 'Name of the node in the configuration; null where it was not known';

COMMENT ON COLUMN pgconflict.subscription_action.remote_commit_lsn IS 'skip: the finish LSN given to ALTER SUBSCRIPTION ... SKIP; keep: of the transaction that stopped apply';

COMMENT ON COLUMN pgconflict.subscription_action.statements IS 'What was planned, in this order';

COMMENT ON COLUMN pgconflict.subscription_action.outcome IS 'Null: it did not come to its end. skip: skipped, not_cleared, cleared_unmet, set, moved_on, failed; drop: dropped, slot_left, remains, failed; keep: applied, not_passed, disabled, refused, failed, or done where apply was not watched to the end';

COMMENT ON COLUMN pgconflict.subscription_action.seen IS 'What was seen on the way: the proof that it is done, or what is left';

COMMENT ON COLUMN pgconflict.subscription_action.reason IS 'What the operator gave as --reason';

COMMENT ON COLUMN pgconflict.subscription_action.changes IS 'skip: how many changes the transaction makes; null where nobody knows';

COMMENT ON COLUMN pgconflict.subscription_action.changes_known IS 'Whether lost_change has all of them';

ALTER TABLE pgconflict.subscription_action ALTER COLUMN action_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgconflict.subscription_action_action_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE pgconflict.table_seen (
    system_identifier bigint NOT NULL,
    relid bigint NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    up_since timestamp with time zone NOT NULL,
    change text NOT NULL,
    same_since timestamp with time zone NOT NULL,
    vacuums bigint NOT NULL,
    vacuuming_ms double precision,
    at_work_since timestamp with time zone,
    vacuum_began timestamp with time zone[] NOT NULL,
    vacuum_ended timestamp with time zone[] NOT NULL
);

COMMENT ON TABLE pgconflict.table_seen IS 'Tables with conflicts: since when they are as they are, and when vacuums may have been at work; times by the node''s clock';

COMMENT ON COLUMN pgconflict.table_seen.seen_at IS 'When it was looked at last, at least';

COMMENT ON COLUMN pgconflict.table_seen.up_since IS 'The same between two looks: the server did not crash between them';

COMMENT ON COLUMN pgconflict.table_seen.change IS 'Names the last change of its definition, or TRUNCATE; same_since: since when it is known to be the last';

COMMENT ON COLUMN pgconflict.table_seen.vacuums IS 'How many vacuums had ended; vacuuming_ms: how long they all took, null until 17';

COMMENT ON COLUMN pgconflict.table_seen.at_work_since IS 'Since when at the earliest one is at work; null if none is';

COMMENT ON COLUMN pgconflict.table_seen.vacuum_began IS 'Since when at the earliest each was at work; vacuum_ended: until when at the latest';

CREATE VIEW pgconflict.top_keys AS
 SELECT schemaname,
    relname,
    key,
    count(*) AS conflicts,
    (sum(attempts))::bigint AS attempts,
    array_agg(DISTINCT node ORDER BY node) AS nodes,
    array_agg(DISTINCT conflict_type ORDER BY conflict_type) AS conflict_types,
    min(first_logged_at) AS first_logged_at,
    max(first_logged_at) AS last_logged_at
   FROM pgconflict.row_history h
  WHERE (first_logged_at >= (now() - '1 day'::interval))
  GROUP BY schemaname, relname, key;

COMMENT ON VIEW pgconflict.top_keys IS 'Rows by how often they conflicted in the last 24 hours; order by conflicts desc';

CREATE VIEW pgconflict.transaction_conflicts AS
 SELECT system_identifier,
    node,
    database,
    subname,
    remote_origin,
    remote_xid,
    remote_commit_lsn,
    remote_commit_ts,
    count(*) OVER remote_transaction AS conflicts,
    bool_or(stalls) OVER remote_transaction AS stopped_apply,
    conflict_id,
    first_logged_at,
    kind,
    conflict_type,
    operation,
    schemaname,
    relname,
    relation,
    replica_identity_text,
    remote_tuple_text,
    attempts,
    status
   FROM pgconflict.conflict_log c
  WHERE (remote_xid IS NOT NULL)
  WINDOW remote_transaction AS (PARTITION BY system_identifier, node, database, subname, remote_origin, remote_xid, remote_commit_lsn, remote_commit_ts);

COMMENT ON VIEW pgconflict.transaction_conflicts IS 'Each conflict with its remote transaction, and how many the transaction met; ask by node and remote_xid';

CREATE TABLE pgconflict.verdict (
    conflict_id bigint NOT NULL,
    looked_at timestamp with time zone NOT NULL,
    verdict text NOT NULL,
    reason text,
    columns text[],
    row_values jsonb,
    cause text,
    effect text,
    evidence jsonb
);

COMMENT ON TABLE pgconflict.verdict IS 'Every change of what is known about a conflict''s row: the history of verdicts';

COMMENT ON COLUMN pgconflict.verdict.looked_at IS 'When both nodes were asked';

COMMENT ON COLUMN pgconflict.verdict.verdict IS 'converged: equal, or gone on both; diverged; pending: changes are still on their way; unverifiable: see reason';

COMMENT ON COLUMN pgconflict.verdict.reason IS 'Why pending or unverifiable: apply_behind, peer_away, no_key, hidden, ambiguous, no_privilege, no_table, row_filter, types_differ, not_published, busy';

COMMENT ON COLUMN pgconflict.verdict.columns IS 'The replicated columns in which the row differs; empty where it is gone on one node';

COMMENT ON COLUMN pgconflict.verdict.row_values IS 'Node to its values of these columns, as conflict_log.row_data allows; null where the row is gone';

COMMENT ON COLUMN pgconflict.verdict.cause IS 'hand_over: the writer had seen the other''s version; concurrent: neither had; unknown: can''t be told';

COMMENT ON COLUMN pgconflict.verdict.effect IS 'none, write_lost: both agree and a concurrent write is gone; diverged, apply_stopped, unknown';

COMMENT ON COLUMN pgconflict.verdict.evidence IS 'What the cause follows from: reason, the other node''s conflict_ids, commit times of both versions';

CREATE TABLE pgconflict.verdict_due (
    conflict_id bigint NOT NULL,
    first_logged_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    looks integer DEFAULT 0 NOT NULL,
    node text NOT NULL,
    subname text,
    verdict text,
    row_digest bytea
)
WITH (fillfactor='70');

COMMENT ON TABLE pgconflict.verdict_due IS 'Conflicts that are looked at again: undecided, still moving, or with a row that differs now';

COMMENT ON COLUMN pgconflict.verdict_due.row_digest IS 'Equal for conflicts about one row of one table: how many rows differ';

CREATE TABLE pgconflict.verdict_position (
    only_one boolean DEFAULT true NOT NULL,
    conflict_id bigint NOT NULL,
    CONSTRAINT verdict_position_only_one_check CHECK (only_one)
);

COMMENT ON TABLE pgconflict.verdict_position IS 'Conflicts up to this number were taken into verdict_due';

CREATE TABLE pgconflict.verify_run (
    run_id bigint NOT NULL,
    schemaname text NOT NULL,
    relname text NOT NULL,
    nodes text[] NOT NULL,
    system_identifiers bigint[] NOT NULL,
    key_columns text[] NOT NULL,
    "position" text[],
    ranges bigint DEFAULT 0 NOT NULL,
    row_counts bigint[] DEFAULT '{0,0}'::bigint[] NOT NULL,
    differing bigint DEFAULT 0 NOT NULL,
    unsettled bigint DEFAULT 0 NOT NULL,
    began_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    conflict_log_role text DEFAULT SESSION_USER NOT NULL,
    os_user text NOT NULL,
    host text NOT NULL
);

COMMENT ON TABLE pgconflict.verify_run IS 'One row a comparison of a table on two nodes; without ended_at it was cut short and can go on';

COMMENT ON COLUMN pgconflict.verify_run."position" IS 'Values of key_columns: rows up to this key are compared and what differs is recorded';

COMMENT ON COLUMN pgconflict.verify_run.unsettled IS 'Rows that differed but were written all the time, or whose changes had not arrived';

ALTER TABLE pgconflict.verify_run ALTER COLUMN run_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgconflict.verify_run_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY pgconflict.conflict_attempt ATTACH PARTITION pgconflict.conflict_attempt_kept DEFAULT;

ALTER TABLE ONLY pgconflict.conflict_log ATTACH PARTITION pgconflict.conflict_log_kept DEFAULT;

ALTER TABLE ONLY pgconflict.conflict_attempt
    ADD CONSTRAINT conflict_attempt_pkey PRIMARY KEY (system_identifier, identity, session_id, line_num, logged_at);

ALTER TABLE ONLY pgconflict.conflict_attempt_kept
    ADD CONSTRAINT conflict_attempt_kept_pkey PRIMARY KEY (system_identifier, identity, session_id, line_num, logged_at);

ALTER TABLE ONLY pgconflict.conflict_event
    ADD CONSTRAINT conflict_event_pkey PRIMARY KEY (conflict_id);

ALTER TABLE ONLY pgconflict.conflict_hour
    ADD CONSTRAINT conflict_hour_hour_node_subname_kind_conflict_type_schemana_key UNIQUE NULLS NOT DISTINCT (hour, node, subname, kind, conflict_type, schemaname, relname, relation);

ALTER TABLE ONLY pgconflict.conflict_log
    ADD CONSTRAINT conflict_log_pkey PRIMARY KEY (first_logged_at, conflict_id, system_identifier);

ALTER TABLE ONLY pgconflict.conflict_log_kept
    ADD CONSTRAINT conflict_log_kept_pkey PRIMARY KEY (first_logged_at, conflict_id, system_identifier);

ALTER TABLE ONLY pgconflict.effect_hour
    ADD CONSTRAINT effect_hour_hour_node_subname_kind_conflict_type_schemaname_key UNIQUE NULLS NOT DISTINCT (hour, node, subname, kind, conflict_type, schemaname, relname, relation, cause, effect);

ALTER TABLE ONLY pgconflict.ledger_difference
    ADD CONSTRAINT ledger_difference_pkey PRIMARY KEY (system_identifier, subid, counter, epoch_began_at, found_at);

ALTER TABLE ONLY pgconflict.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (system_identifier, subid, counter, began_at);

ALTER TABLE ONLY pgconflict.log_complete
    ADD CONSTRAINT log_complete_pkey PRIMARY KEY (system_identifier);

ALTER TABLE ONLY pgconflict.log_position
    ADD CONSTRAINT log_position_pkey PRIMARY KEY (node, system_identifier);

ALTER TABLE ONLY pgconflict.lost_change
    ADD CONSTRAINT lost_change_pkey PRIMARY KEY (action_id, place);

ALTER TABLE ONLY pgconflict.lsn_range
    ADD CONSTRAINT lsn_range_pkey PRIMARY KEY (system_identifier, subid, day);

ALTER TABLE ONLY pgconflict.moved_row
    ADD CONSTRAINT moved_row_pkey PRIMARY KEY (action_id, place);

ALTER TABLE ONLY pgconflict.native_position
    ADD CONSTRAINT native_position_pkey PRIMARY KEY (system_identifier, subid);

ALTER TABLE ONLY pgconflict.position_seen
    ADD CONSTRAINT position_seen_pkey PRIMARY KEY (place, system_identifier);

ALTER TABLE ONLY pgconflict.recorded_entry_count
    ADD CONSTRAINT recorded_entry_count_pkey PRIMARY KEY (system_identifier, subid, counter);

ALTER TABLE ONLY pgconflict.repair
    ADD CONSTRAINT repair_pkey PRIMARY KEY (repair_id);

ALTER TABLE ONLY pgconflict.schema_step
    ADD CONSTRAINT schema_step_pkey PRIMARY KEY (step);

ALTER TABLE ONLY pgconflict.sequence_sync
    ADD CONSTRAINT sequence_sync_pkey PRIMARY KEY (sync_id);

ALTER TABLE ONLY pgconflict.sequence_sync_value
    ADD CONSTRAINT sequence_sync_value_pkey PRIMARY KEY (sync_id, place);

ALTER TABLE ONLY pgconflict.streamed_transaction
    ADD CONSTRAINT streamed_transaction_pkey PRIMARY KEY (system_identifier, subid, remote_xid);

ALTER TABLE ONLY pgconflict.subscription_action
    ADD CONSTRAINT subscription_action_pkey PRIMARY KEY (action_id);

ALTER TABLE ONLY pgconflict.table_owner
    ADD CONSTRAINT table_owner_role_name_node_schemaname_relname_key UNIQUE NULLS NOT DISTINCT (role_name, node, schemaname, relname);

ALTER TABLE ONLY pgconflict.table_seen
    ADD CONSTRAINT table_seen_pkey PRIMARY KEY (system_identifier, relid);

ALTER TABLE ONLY pgconflict.verdict_due
    ADD CONSTRAINT verdict_due_pkey PRIMARY KEY (conflict_id);

ALTER TABLE ONLY pgconflict.verdict
    ADD CONSTRAINT verdict_pkey PRIMARY KEY (conflict_id, looked_at);

ALTER TABLE ONLY pgconflict.verdict_position
    ADD CONSTRAINT verdict_position_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY pgconflict.verify_run
    ADD CONSTRAINT verify_run_pkey PRIMARY KEY (run_id);

CREATE INDEX conflict_event_event_id_idx ON pgconflict.conflict_event USING btree (event_id);

CREATE INDEX conflict_event_first_logged_at_idx ON pgconflict.conflict_event USING btree (first_logged_at);

CREATE INDEX conflict_event_writes_idx ON pgconflict.conflict_event USING gin (writes) WITH (fastupdate=off);

CREATE INDEX conflict_hour_conflict_type_hour_idx ON pgconflict.conflict_hour USING btree (conflict_type, hour);

CREATE INDEX conflict_hour_relname_hour_idx ON pgconflict.conflict_hour USING btree (relname, hour);

CREATE INDEX conflict_log_kept_conflict_id_idx ON pgconflict.conflict_log_kept USING brin (conflict_id) WITH (pages_per_range='64');

CREATE INDEX conflict_log_kept_first_logged_at_conflict_id_idx ON pgconflict.conflict_log_kept USING btree (first_logged_at, conflict_id) WHERE stalls;

CREATE INDEX conflict_log_kept_first_logged_at_conflict_id_idx1 ON pgconflict.conflict_log_kept USING btree (first_logged_at, conflict_id) WHERE ((verdict IS NOT NULL) AND (effect IS DISTINCT FROM 'none'::text));

CREATE INDEX conflict_log_kept_node_subname_kind_conflict_type_relname_idx ON pgconflict.conflict_log_kept USING brin (node text_bloom_ops (n_distinct_per_range='16'), subname text_bloom_ops (n_distinct_per_range='32'), kind text_bloom_ops (n_distinct_per_range='16'), conflict_type text_bloom_ops (n_distinct_per_range='16'), relname text_bloom_ops (n_distinct_per_range='64'));

CREATE UNIQUE INDEX conflict_log_kept_system_identifier_coalesce_coalesce1_iden_idx ON pgconflict.conflict_log_kept USING btree (system_identifier, COALESCE(subid, (0)::oid), COALESCE(remote_commit_lsn, '0/0'::pg_lsn), identity, place);

CREATE INDEX conflict_log_kept_system_identifier_subid_idx ON pgconflict.conflict_log_kept USING btree (system_identifier, subid) WHERE stalls;

CREATE INDEX position_seen_until_idx ON pgconflict.position_seen USING brin (until);

CREATE INDEX verdict_due_due_at_idx ON pgconflict.verdict_due USING btree (due_at);

CREATE INDEX verdict_looked_at_idx ON pgconflict.verdict USING brin (looked_at);

ALTER INDEX pgconflict.conflict_attempt_pkey ATTACH PARTITION pgconflict.conflict_attempt_kept_pkey;

ALTER INDEX pgconflict.conflict_log_pkey ATTACH PARTITION pgconflict.conflict_log_kept_pkey;

CREATE TRIGGER count_deleted AFTER DELETE ON pgconflict.conflict_log REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_conflicts();

CREATE TRIGGER count_deleted AFTER DELETE ON pgconflict.conflict_log_kept REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_conflicts();

CREATE TRIGGER count_inserted AFTER INSERT ON pgconflict.conflict_log REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_conflicts();

CREATE TRIGGER count_inserted AFTER INSERT ON pgconflict.conflict_log_kept REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_conflicts();

CREATE TRIGGER count_updated AFTER UPDATE ON pgconflict.conflict_log REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_conflicts();

CREATE TRIGGER count_updated AFTER UPDATE ON pgconflict.conflict_log_kept REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_conflicts();

CREATE TRIGGER effects_deleted AFTER DELETE ON pgconflict.conflict_log REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_effects();

CREATE TRIGGER effects_deleted AFTER DELETE ON pgconflict.conflict_log_kept REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_effects();

CREATE TRIGGER effects_inserted AFTER INSERT ON pgconflict.conflict_log REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_effects();

CREATE TRIGGER effects_inserted AFTER INSERT ON pgconflict.conflict_log_kept REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_effects();

CREATE TRIGGER effects_updated AFTER UPDATE ON pgconflict.conflict_log REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_effects();

CREATE TRIGGER effects_updated AFTER UPDATE ON pgconflict.conflict_log_kept REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgconflict.count_effects();

ALTER TABLE ONLY pgconflict.ledger_difference
    ADD CONSTRAINT ledger_difference_system_identifier_subid_counter_epoch_be_fkey FOREIGN KEY (system_identifier, subid, counter, epoch_began_at) REFERENCES pgconflict.ledger(system_identifier, subid, counter, began_at) ON DELETE CASCADE;

ALTER TABLE ONLY pgconflict.lost_change
    ADD CONSTRAINT lost_change_action_id_fkey FOREIGN KEY (action_id) REFERENCES pgconflict.subscription_action(action_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgconflict.moved_row
    ADD CONSTRAINT moved_row_action_id_fkey FOREIGN KEY (action_id) REFERENCES pgconflict.subscription_action(action_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgconflict.sequence_sync_value
    ADD CONSTRAINT sequence_sync_value_sync_id_fkey FOREIGN KEY (sync_id) REFERENCES pgconflict.sequence_sync(sync_id) ON DELETE CASCADE;

REVOKE ALL ON FUNCTION pgconflict.count_changes_of(table_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.count_conflicts() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.count_effects() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.count_effects_of(table_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.counters_of(kind text, conflict_type text, severity text, remote_origin text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.drop_partitions(before date) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.forget_verdicts(before date) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.make_partition(day date) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.prepare_day(table_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.prepare_effects(table_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.recount_effects(since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.recount_hours(since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.summarize_days() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgconflict.version() FROM PUBLIC;
