-- A transaction was skipped whose finish LSN the log never told: parallel apply.
-- $1 system identifier, $2 subscription oid, $3 remote xid, $4 when
-- returns: nothing; privilege: UPDATE on conflict_log
update pgconflict.conflict_log c
   set status = 'skipped', status_at = $4
 where c.system_identifier = $1 and c.subid = $2::oid and c.remote_xid = $3
   and c.remote_commit_lsn is null and c.stalls and c.status <> 'skipped'
   and c.last_logged_at <= $4
