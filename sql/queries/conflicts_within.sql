-- How many conflicts began from $1 to before $2, both full hours
-- returns: conflicts; one row; privilege: SELECT on conflict_hour
select coalesce(sum(h.conflicts), 0)::bigint
  from pgconflict.conflict_hour h
 where h.hour >= $1::timestamptz and h.hour < $2::timestamptz and h.conflicts > 0
