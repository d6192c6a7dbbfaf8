-- The entries of two nodes about the same rows, and those that may be.
-- $1: the nodes' system identifiers; $2, $3: schema and table; $4: not before;
-- $5: the rows' keys as the server printed them
-- returns: entries about one of these keys; entries whose change came with another key
--          than it left the row with, or with one that is not known
-- one row per entry; privilege: SELECT on conflict_log
select c.conflict_id, c.system_identifier, c.subid, c.conflict_type, c.stalls,
       c.status, c.first_logged_at, c.last_logged_at, c.attempts, c.operation,
       c.remote_xid, c.remote_commit_ts,
       pg_catalog.pg_wal_lsn_diff(c.remote_commit_lsn, '0/0')::bigint as remote_lsn,
       c.replica_identity::text as replica_identity, c.replica_identity_text,
       c.remote_tuple::text as remote_tuple, c.truncated_columns,
       c.local_conflicts::text[] as local_conflicts, c.cause
  from pgconflict.conflict_log c
 where c.first_logged_at >= $4 and c.system_identifier = any ($1)
   and c.kind = 'conflict' and c.schemaname = $2 and c.relname = $3
   and (c.replica_identity_text = any ($5)
        or c.stalls
        or c.conflict_type in ('update_missing', 'update_deleted')
           and (c.remote_tuple is null or c.replica_identity is null
                or not c.remote_tuple @> c.replica_identity))
