-- returns: each subscription's open conflict or error: how often, since when
-- one row per subscription; privilege: SELECT on conflict_log
select subid, subname, min(remote_commit_lsn)::text as remote_commit_lsn
  from pgconflict.conflict_log
 where system_identifier = $1 and stalls and status in ('open', 'disabled')
 group by 1, 2
