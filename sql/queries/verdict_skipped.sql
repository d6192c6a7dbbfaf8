-- $1: the nodes' system identifiers; $2: not before
-- returns: transactions that were skipped: where and when; when each had committed on
--          its publisher, by that one's clock, null where that is not recorded
-- one row per transaction; privilege: SELECT on conflict_log
select c.system_identifier, c.subid, c.remote_xid, max(c.status_at) as skipped_at,
       max(c.remote_commit_ts) as committed
  from pgconflict.conflict_log c
 where c.stalls and c.status = 'skipped' and c.system_identifier = any ($1)
   and c.status_at >= $2
 group by c.system_identifier, c.subid, c.remote_xid
