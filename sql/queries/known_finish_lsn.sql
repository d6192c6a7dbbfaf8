-- returns: the finish LSN recorded for a remote transaction lately, the newest
-- one row or none; privilege: SELECT on conflict_log
select remote_commit_lsn::text as remote_commit_lsn
  from pgconflict.conflict_log
 where system_identifier = $1 and subid = $2 and remote_xid = $3
   and remote_commit_lsn is not null and first_logged_at > now() - interval '7 days'
 order by first_logged_at desc
 limit 1
