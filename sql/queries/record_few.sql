-- Stores rows in their day and, only if none of them was there, moves the position:
-- one round trip for the common case, one conflict at a time.
-- $1: jsonb array of rows; $2: how many; $3..$10: the position, $3 null for none
-- returns: subscription, kind and type of the rows that were new, whether they failed
--          apply, with how many
-- one row per subscription, kind, type and failure
-- privilege: INSERT on the day's partition, INSERT and UPDATE on log_position
with stored as (
    insert into pgconflict.{day} (
    kind, conflict_type, severity, sqlstate, stalls, node, system_identifier,
    database, subid, subname, relid, schemaname, relname, relation, operation,
    index_names, remote_origin, remote_xid, remote_commit_lsn, remote_commit_ts,
    replica_identity_full, replica_identity, remote_tuple, local_conflicts,
    truncated_columns, replica_identity_text, remote_tuple_text, message, detail,
    context, first_logged_at, last_logged_at, source, status, status_at, identity,
    pid, session_id, line_num)
    select
    kind, conflict_type, severity, sqlstate, stalls, node, system_identifier,
    database, subid, subname, relid, schemaname, relname, relation, operation,
    index_names, remote_origin, remote_xid, remote_commit_lsn, remote_commit_ts,
    replica_identity_full, replica_identity, remote_tuple, local_conflicts,
    truncated_columns, replica_identity_text, remote_tuple_text, message, detail,
    context, first_logged_at, last_logged_at, source, status, status_at, identity,
    pid, session_id, line_num
      from pg_catalog.jsonb_to_recordset($1::jsonb) as r (
    kind text, conflict_type text, severity text, sqlstate text, stalls boolean,
    node text, system_identifier bigint, database text, subid oid, subname text,
    relid oid, schemaname text, relname text, relation text, operation text,
    index_names text[], remote_origin text, remote_xid bigint, remote_commit_lsn
    pg_lsn, remote_commit_ts timestamptz, replica_identity_full boolean,
    replica_identity jsonb, remote_tuple jsonb, local_conflicts jsonb[],
    truncated_columns text[], replica_identity_text text, remote_tuple_text text,
    message text, detail text, context text, first_logged_at timestamptz,
    last_logged_at timestamptz, source text, status text, status_at timestamptz,
    identity bytea, pid integer, session_id text, line_num bigint)
    on conflict do nothing
    returning system_identifier, subid, subname, kind, conflict_type, severity,
              remote_origin),
noted as (
    insert into pgconflict.recorded_entry_count as r (
        system_identifier, subid, counter, entries)
    select s.system_identifier, s.subid, n.counter, count(*)
      from stored s
     cross join lateral pgconflict.counters_of(
               s.kind, s.conflict_type, s.severity, s.remote_origin) as n (counter)
     where s.subid is not null
     group by 1, 2, 3
    on conflict (system_identifier, subid, counter) do update
       set entries = r.entries + excluded.entries),
moved as (
    insert into pgconflict.log_position as p (
        node, system_identifier, log_format, file_name, signature, signature_length,
        byte_offset, state)
    select $3, $4, $5, $6, $7, $8, $9, $10
     where $3::text is not null and (select count(*) from stored) = $2::bigint
    on conflict (node, system_identifier) do update
       set log_format = excluded.log_format, file_name = excluded.file_name,
           signature = excluded.signature,
           signature_length = excluded.signature_length,
           byte_offset = excluded.byte_offset, state = excluded.state,
           updated_at = now())
select coalesce(subname, '') as subname, kind, coalesce(conflict_type, '') as type,
       subid, severity = 'ERROR' and remote_origin is not null as failed,
       count(*) as number
  from stored group by 1, 2, 3, 4, 5
