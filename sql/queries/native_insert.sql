-- Stores what PostgreSQL's own table holds and no log entry told, without an attempt:
-- its entry may still be read.
-- returns: subscription, kind and type of each row, with how many
-- one row per subscription, kind and type; privilege: INSERT on conflict_log
with stored as (
    insert into pgconflict.conflict_log (
        kind, conflict_type, severity, sqlstate, stalls, node, system_identifier,
        database, subid, subname, relid, schemaname, relname, relation, operation,
        index_names, remote_origin, remote_xid, remote_commit_lsn, remote_commit_ts,
        replica_identity_full, replica_identity, remote_tuple, local_conflicts,
        truncated_columns, replica_identity_text, remote_tuple_text, message,
        detail, context, first_logged_at, last_logged_at, source, status, status_at,
        identity, pid, session_id, line_num, place, attempts)
    select
        kind, conflict_type, severity, sqlstate, stalls, node, system_identifier,
        database, subid, subname, relid, schemaname, relname, relation, operation,
        index_names, remote_origin, remote_xid, remote_commit_lsn, remote_commit_ts,
        replica_identity_full, replica_identity, remote_tuple, local_conflicts,
        truncated_columns, replica_identity_text, remote_tuple_text, message,
        detail, context, first_logged_at, last_logged_at, source, status, status_at,
        identity, pid, session_id, line_num,
        row_number() over (partition by identity order by ctid), 0
      from pg_temp.stage
    returning subid, subname, kind, conflict_type, severity, remote_origin)
select coalesce(subname, '') as subname, kind, coalesce(conflict_type, '') as type,
       subid, severity = 'ERROR' and remote_origin is not null as failed,
       count(*) as number
  from stored group by 1, 2, 3, 4, 5
