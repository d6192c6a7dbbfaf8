-- returns: remote transactions recorded lately without their commit time
-- one row per transaction; privilege: SELECT on conflict_log
select distinct subid, remote_xid, remote_commit_lsn::text as remote_commit_lsn
  from pgconflict.conflict_log
 where system_identifier = $1 and first_logged_at > $2 and remote_commit_ts is null
   and subid is not null and remote_xid is not null and remote_commit_lsn is not null
 limit 10000
