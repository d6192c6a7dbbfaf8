-- A worker has lived on after an error in a transaction whose finish LSN nobody told
-- (parallel apply), or in none: it is past it. Should it fail there again, the conflict
-- is open again.
-- $1 system identifier, $2 subscription, $3 when
-- returns: nothing; privilege: UPDATE on conflict_log
update pgconflict.conflict_log c
   set status = 'applied', status_at = $3
 where c.system_identifier = $1 and c.subid = $2 and c.stalls
   and c.status = 'open' and c.remote_commit_lsn is null
   and c.last_logged_at <= $3
