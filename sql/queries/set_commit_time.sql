-- Completes the rows of one remote transaction with its commit time, some at a time.
-- $1 system identifier, $2 subscription, $3 finish LSN, $4 remote xid, $5 commit time
-- returns: a number per row completed; at most 2,000
-- privilege: SELECT, UPDATE on conflict_log
with part as (
    select c.tableoid, c.ctid, c.conflict_id, c.first_logged_at
      from pgconflict.conflict_log c
     where c.system_identifier = $1 and coalesce(c.subid, 0) = $2
       and coalesce(c.remote_commit_lsn, '0/0') = $3 and c.remote_xid = $4
       and c.remote_commit_ts is null and c.first_logged_at > now() - interval '2 days'
     limit 2000)
update pgconflict.conflict_log c
   set remote_commit_ts = $5
  from part
 where c.conflict_id = part.conflict_id and c.first_logged_at = part.first_logged_at
returning 1
