-- returns: the epochs of the ledger that have not ended
-- one row per subscription and counter; privilege: SELECT on ledger
select subid, subname, database, counter, began_at, checked_at, base, server_count,
       recorded_count, unaccounted, stats_reset, statistics_began
  from pgconflict.ledger
 where system_identifier = $1 and ended_at is null
