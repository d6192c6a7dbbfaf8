-- $1: comparison; $2: the last key compared; $3: ranges; $4: rows on each node;
-- $5: rows that differ; $6: rows that were not settled; $7: whether it is at its end
-- returns: nothing; privilege: UPDATE on verify_run
update pgconflict.verify_run
   set position = $2::text[], ranges = $3, row_counts = $4::bigint[], differing = $5,
       unsettled = $6, seen_at = now(),
       ended_at = case when $7::boolean then now() end
 where run_id = $1
