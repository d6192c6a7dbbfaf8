-- ALTER SUBSCRIPTION ... SKIP passed over a transaction: its conflicts are skipped,
-- and its changes with them, those that stalled nothing included.
-- $1 system identifier, $2 subscription name or null, $3 when, $4 finish LSN
-- returns: nothing; privilege: UPDATE on conflict_log
update pgconflict.conflict_log c
   set status = 'skipped', status_at = $3
 where c.system_identifier = $1 and ($2::text is null or c.subname = $2)
   and c.remote_commit_lsn = $4 and c.stalls and c.status <> 'skipped'
   and c.last_logged_at <= $3
