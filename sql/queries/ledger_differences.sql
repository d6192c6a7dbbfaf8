-- returns: where a server's ledger is not complete
-- $1 system identifier; $2 a moment: only what was found since, or null for all
-- one row per difference; privilege: SELECT on ledger_difference
select subid::bigint as subid, counter, epoch_began_at, after, found_at, difference,
       reasons
  from pgconflict.ledger_difference
 where system_identifier = $1 and ($2::timestamptz is null or found_at >= $2)
 order by subid, counter, found_at
