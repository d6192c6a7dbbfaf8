-- returns: what the server counted and the conflict log has not, or the other way round
-- $1 system identifier
-- one row per subscription and counter; privilege: SELECT on ledger
select subname, counter, unaccounted
  from pgconflict.ledger
 where system_identifier = $1 and ended_at is null and unaccounted <> 0
 order by subname, counter
