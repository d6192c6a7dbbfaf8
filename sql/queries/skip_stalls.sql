-- returns: the transactions of a subscription that stopped apply and are not done with,
--          and the one that ends at $3; first the one that was logged first
-- $1 system identifier, $2 subscription oid, $3 finish LSN or null
-- one row per transaction and status; privilege: SELECT on conflict_log
select remote_commit_lsn::text as lsn, remote_xid as xid, status,
       min(first_logged_at) as since, max(last_logged_at) as last_logged_at,
       sum(attempts)::bigint as attempts, min(conflict_id) as conflict_id,
       min(coalesce(conflict_type, kind)) as type
  from pgconflict.conflict_log
 where system_identifier = $1 and subid = $2::oid and stalls and kind <> 'sync_error'
   and (status in ('open', 'disabled') or remote_commit_lsn = $3::pg_lsn)
 group by 1, 2, 3
 order by 4
