-- The subscription's origin has moved past a conflict that stopped apply.
-- $1 system identifier, $2 subscription, $3 when, $4 the origin's remote LSN
-- returns: nothing; privilege: UPDATE on conflict_log
update pgconflict.conflict_log c
   set status = 'applied', status_at = $3
 where c.system_identifier = $1 and c.subid = $2 and c.stalls
   and c.status in ('open', 'disabled') and c.remote_commit_lsn < $4
   and c.last_logged_at <= $3
