-- $1: the run; $2 to $6: outcome, moved, unchanged, blocked, doubts; $7, $8: LSNs;
-- $9: longest lock; $10: what was seen
-- returns: nothing
-- no row; privilege: UPDATE and SELECT on sequence_sync
update pgconflict.sequence_sync
   set ended_at = pg_catalog.clock_timestamp(),
       outcome = $2,
       moved = $3,
       unchanged = $4,
       blocked = $5,
       doubts = $6,
       source_lsn = $7::pg_catalog.pg_lsn,
       applied_lsn = $8::pg_catalog.pg_lsn,
       longest_lock = $9,
       seen = $10
 where sync_id = $1
