-- $1: repair; $2: the node whose transaction committed
-- returns: nothing; privilege: UPDATE on repair
update pgconflict.repair set written = written || $2::text where repair_id = $1
