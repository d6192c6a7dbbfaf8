-- The conflict log: one row a conflict, its repeated attempts, and how far each
-- node's log has been read. Why it is cut by day and how sameness holds across the
-- cuts: docs/adr/0003-one-row-a-conflict.md.

create schema pgconflict;
comment on schema pgconflict is
    'Replication conflicts of all nodes, recorded by pgconflict';

create table pgconflict.schema_step (
    step integer primary key,
    name text not null,
    applied_at timestamptz not null default now(),
    applied_by text not null default session_user
);
comment on table pgconflict.schema_step is
    'The numbered steps of sql/schema that were applied here';

create function pgconflict.version() returns integer
    language sql stable security definer set search_path = ''
    as $$ select max(step) from pgconflict.schema_step $$;
comment on function pgconflict.version() is
    'The newest step of the schema; the daemon refuses one it does not know';

create sequence pgconflict.conflict_id_seq as bigint;

create table pgconflict.conflict_log (
    conflict_id bigint not null default nextval('pgconflict.conflict_id_seq'),
    kind text not null,
    conflict_type text,
    severity text,
    sqlstate text,
    stalls boolean not null,
    node text not null,
    system_identifier bigint not null,
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
    remote_commit_ts timestamptz,
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
    attempts bigint not null default 1,
    first_logged_at timestamptz not null,
    last_logged_at timestamptz not null,
    ingested_at timestamptz not null default now(),
    source text not null,
    status text not null,
    status_at timestamptz,
    verdict text,
    verdict_at timestamptz,
    cause text,
    effect text,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note text,
    identity bytea not null,
    place integer not null default 1,
    pid integer,
    session_id text not null,
    line_num bigint not null,
    primary key (first_logged_at, conflict_id)
) partition by range (first_logged_at);

comment on table pgconflict.conflict_log is
    'One row a conflict or apply error, however often it was logged or read';
comment on column pgconflict.conflict_log.conflict_id is
    'Stable number of the row';
comment on column pgconflict.conflict_log.kind is
    'conflict; apply_error: any other error that stops apply; sync_error: initial table copy or sequence synchronisation';
comment on column pgconflict.conflict_log.conflict_type is
    'PostgreSQL''s word for the conflict; null for other kinds';
comment on column pgconflict.conflict_log.severity is 'As logged, in English';
comment on column pgconflict.conflict_log.stalls is 'Apply stopped on it';
comment on column pgconflict.conflict_log.node is
    'Name of the node in the configuration';
comment on column pgconflict.conflict_log.system_identifier is
    'The node''s own identity, from pg_control_system()';
comment on column pgconflict.conflict_log.relation is
    'The relation as the server printed it, neither quoted nor escaped';
comment on column pgconflict.conflict_log.relname is
    'Resolved in the node''s catalog; null where that is not certain';
comment on column pgconflict.conflict_log.operation is
    'The remote change, from the context: INSERT, UPDATE, DELETE, TRUNCATE';
comment on column pgconflict.conflict_log.index_names is
    'Unique indexes violated, in the server''s order';
comment on column pgconflict.conflict_log.remote_commit_lsn is
    'The LSN that ALTER SUBSCRIPTION ... SKIP takes; null until known (parallel apply)';
comment on column pgconflict.conflict_log.remote_commit_ts is
    'Commit time on the publisher; null unless it could be looked up';
comment on column pgconflict.conflict_log.replica_identity is
    'Column to text; null when absent or not splittable without guessing';
comment on column pgconflict.conflict_log.remote_tuple is
    'Column to text; null when absent or not splittable without guessing';
comment on column pgconflict.conflict_log.local_conflicts is
    'One element a local row: xid, commit_ts, origin, origin_kind, index, key, tuple, key_text, tuple_text';
comment on column pgconflict.conflict_log.truncated_columns is
    'Columns whose values the server cut at 64 bytes, marked by ...';
comment on column pgconflict.conflict_log.attempts is
    'How many times the server logged it; a retry is not a new conflict';
comment on column pgconflict.conflict_log.status is
    'open, applied, skipped or disabled';
comment on column pgconflict.conflict_log.identity is
    'Digest of kind, origin, remote transaction, type, relation and key';
comment on column pgconflict.conflict_log.place is
    'Which of several equal entries of one attempt this is, from 1';
comment on column pgconflict.conflict_log.session_id is
    'With line_num: the log entry of the first attempt recorded';

-- Rows kept beyond the retention, and only those, have no day of their own.
create table pgconflict.conflict_log_kept
    partition of pgconflict.conflict_log default;

create table pgconflict.conflict_attempt (
    system_identifier bigint not null,
    identity bytea not null,
    session_id text not null,
    line_num bigint not null,
    logged_at timestamptz not null,
    subid oid,
    remote_commit_lsn pg_lsn,
    place integer not null,
    pid integer,
    primary key (system_identifier, identity, session_id, line_num, logged_at)
) partition by range (logged_at);
comment on table pgconflict.conflict_attempt is
    'Log entries that repeat a conflict already in conflict_log: its second attempt and later';

create table pgconflict.conflict_attempt_kept
    partition of pgconflict.conflict_attempt default;

create table pgconflict.lsn_range (
    system_identifier bigint not null,
    subid oid not null,
    day date not null,
    min_lsn pg_lsn not null,
    max_lsn pg_lsn not null,
    primary key (system_identifier, subid, day)
);
comment on table pgconflict.lsn_range is
    'Which remote LSNs each day''s partition can hold: where an old conflict must be looked for';

create table pgconflict.streamed_transaction (
    system_identifier bigint not null,
    subid oid not null,
    remote_xid bigint not null,
    remote_commit_lsn pg_lsn,
    seen_at timestamptz not null default now(),
    primary key (system_identifier, subid, remote_xid)
);
comment on table pgconflict.streamed_transaction is
    'Transactions that parallel apply logged without their finish LSN, and the LSN once it was learnt';

create table pgconflict.digest_key (
    key bytea not null
);
comment on table pgconflict.digest_key is
    'Secret that keeps identities from telling the keys that row_data hides; for the daemon only';
insert into pgconflict.digest_key (key)
values (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

create table pgconflict.log_position (
    node text not null,
    system_identifier bigint not null,
    log_format text not null,
    file_name text not null,
    signature bytea not null,
    signature_length integer not null,
    byte_offset bigint not null,
    state jsonb not null,
    updated_at timestamptz not null default now(),
    primary key (node, system_identifier)
);
comment on table pgconflict.log_position is
    'How far each node''s log is recorded; moves in the transaction that stores the rows';

create table pgconflict.native_position (
    system_identifier bigint not null,
    subid oid not null,
    remote_commit_lsn pg_lsn not null,
    updated_at timestamptz not null default now(),
    primary key (system_identifier, subid)
);
comment on table pgconflict.native_position is
    'How far each subscription''s own conflict table was copied, where a server has one';

-- A day's partitions, made beside the parent and attached, so that nobody who reads
-- the conflict log waits: ATTACH takes SHARE UPDATE EXCLUSIVE on the parent where
-- CREATE TABLE ... PARTITION OF takes ACCESS EXCLUSIVE.
create function pgconflict.make_partition(day date) returns boolean
    language plpgsql security definer set search_path = ''
as $$
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
comment on function pgconflict.make_partition(date) is
    'Makes the partitions of one UTC day; false when they are there';

create unique index on pgconflict.conflict_log_kept (
    system_identifier, (coalesce(subid, 0)),
    (coalesce(remote_commit_lsn, '0/0')), identity, place);
create index on pgconflict.conflict_log_kept (system_identifier, subid)
    where stalls;

-- Whole days go by DROP TABLE: no row is read but those that stopped apply, nothing
-- is left for vacuum. What is open, or stopped apply and nobody acknowledged, stays.
create function pgconflict.drop_partitions(before date) returns setof date
    language plpgsql security definer set search_path = ''
as $$
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
$$;
comment on function pgconflict.drop_partitions(date) is
    'Drops the days before this UTC day; open and unacknowledged rows that stopped apply are kept';

revoke all on all functions in schema pgconflict from public;
