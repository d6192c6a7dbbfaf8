-- The conflicts of the remote transaction of a conflict, itself included.
-- $1: its number, $2: when it was first logged, $3: at most this many
-- returns: what names them, and how many there are; one row per conflict
-- privilege: SELECT on conflict_log
select t.conflict_id, t.kind, t.conflict_type, t.operation, t.schemaname, t.relname,
       t.relation, t.replica_identity_text, t.status, t.stalls, t.attempts,
       count(*) over () as conflicts
  from pgconflict.conflict_log c
  join pgconflict.conflict_log t
    on t.system_identifier = c.system_identifier
   and coalesce(t.subid, 0) = coalesce(c.subid, 0)
   and coalesce(t.remote_commit_lsn, '0/0') = coalesce(c.remote_commit_lsn, '0/0')
   and t.remote_xid = c.remote_xid
 where c.conflict_id = $1::bigint and c.first_logged_at = $2::timestamptz
 order by t.first_logged_at, t.conflict_id
 limit $3::bigint
