-- returns: what keeps each subscription of a server from applying, the first logged
-- $1 system identifier
-- one row per subscription; privilege: SELECT on conflict_log
select distinct on (subid) subid::bigint as subid, conflict_id,
       coalesce(conflict_type, kind) as type, schemaname, relname, relation,
       remote_xid as xid, remote_commit_lsn::text as lsn, attempts,
       first_logged_at as since, last_logged_at, message
  from pgconflict.conflict_log
 where system_identifier = $1 and stalls and kind <> 'sync_error'
   and status in ('open', 'disabled')
 order by subid, remote_commit_lsn, first_logged_at, conflict_id
