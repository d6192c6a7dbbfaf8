-- A subscription was disabled because of an error: its open conflict waits for that.
-- $1 system identifier, $2 subscription name, $3 when
-- returns: nothing; privilege: UPDATE on conflict_log
update pgconflict.conflict_log c
   set status = 'disabled', status_at = $3
 where c.system_identifier = $1 and c.subname = $2 and c.stalls
   and c.status = 'open' and c.last_logged_at <= $3
