-- $1: at most so many; $2: not these; $3: of these nodes only
-- returns: the conflicts whose turn it is, the longest due first
-- one row per conflict; privilege: SELECT on verdict_due, conflict_log
select d.looks, c.conflict_id, c.first_logged_at, c.last_logged_at, c.kind,
       c.conflict_type, c.stalls, c.status, c.node, c.system_identifier, c.subid,
       c.subname, c.schemaname, c.relname, c.operation, c.remote_xid,
       c.remote_commit_ts, c.attempts,
       pg_catalog.pg_wal_lsn_diff(c.remote_commit_lsn, '0/0')::bigint as remote_lsn,
       c.replica_identity::text as replica_identity, c.replica_identity_text,
       c.remote_tuple::text as remote_tuple, c.truncated_columns,
       c.local_conflicts::text[] as local_conflicts, c.verdict, c.cause, c.effect
  from (select * from pgconflict.verdict_due
         where due_at <= now() and conflict_id <> all ($2::bigint[])
           and node = any ($3::text[])
         order by due_at
         limit $1) d
  join pgconflict.conflict_log c
    on c.conflict_id = d.conflict_id and c.first_logged_at = d.first_logged_at
