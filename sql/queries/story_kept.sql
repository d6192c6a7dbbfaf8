-- Apply has come past a transaction that had stopped it, as was seen: its conflicts are
-- over, those included whose finish LSN the log never told.
-- $1 system identifier, $2 subscription oid, $3 when, $4 finish LSN, $5 remote xid
-- returns: nothing; privilege: UPDATE on conflict_log
update pgconflict.conflict_log c
   set status = 'applied', status_at = $3
 where c.system_identifier = $1 and c.subid = $2::oid and c.stalls
   and c.status in ('open', 'disabled') and c.last_logged_at <= $3
   and (c.remote_commit_lsn = $4::pg_lsn
        or c.remote_commit_lsn is null and c.remote_xid = $5::bigint)
