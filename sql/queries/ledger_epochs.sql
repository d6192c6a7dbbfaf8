-- returns: the epochs of a server's ledger that reach beyond a moment, in order
-- $1 system identifier; $2 the moment, or null for all
-- one row per subscription, counter and epoch; privilege: SELECT on ledger
select subid::bigint as subid, subname, database, counter, began_at, checked_at,
       ended_at, ended_by, base, unaccounted
  from pgconflict.ledger
 where system_identifier = $1
   and ($2::timestamptz is null or coalesce(ended_at, checked_at) >= $2)
 order by subid, counter, began_at
