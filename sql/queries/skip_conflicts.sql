-- returns: what the conflict log knows of one remote transaction
-- $1 system identifier, $2 subscription oid, $3 finish LSN or null, $4 xid or null
-- one row per conflict, in the order of the log; privilege: SELECT on conflict_log
select conflict_id, coalesce(conflict_type, kind) as type, stalls, status,
       schemaname, relname, relation, operation,
       replica_identity::text as key, remote_tuple::text as row,
       replica_identity_text as key_text, remote_tuple_text as row_text,
       message, attempts
  from pgconflict.conflict_log
 where system_identifier = $1 and coalesce(subid, 0) = $2::oid
   and coalesce(remote_commit_lsn, '0/0') in ($3::pg_lsn, '0/0')
   and (remote_commit_lsn = $3::pg_lsn or remote_xid = $4::bigint)
 order by first_logged_at, conflict_id
 limit 10000
