-- $1: the run, or null for the newest that came to its end
-- returns: who, when, from where to where, what came of it
-- one row if it exists; privilege: SELECT on sequence_sync
select s.sync_id, s.kind, s.source_node, s.target_nodes, s.database, s.options,
       s.began_at, s.ended_at, s.outcome, s.moved, s.unchanged, s.blocked, s.doubts,
       s.source_lsn::text as source_lsn, s.applied_lsn::text as applied_lsn,
       s.longest_lock, s.seen, s.conflict_log_role, s.node_role, s.os_user, s.host,
       s.pgconflict_version
  from pgconflict.sequence_sync s
 where case when $1::bigint is null then s.ended_at is not null
            else s.sync_id = $1::bigint end
 order by s.sync_id desc
 limit 1
