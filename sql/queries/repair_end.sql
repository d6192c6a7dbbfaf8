-- $1: repair; $2: outcome; $3: what was seen
-- returns: nothing; privilege: UPDATE on repair
update pgconflict.repair
   set outcome = $2, seen = $3::text[], ended_at = now()
 where repair_id = $1
