-- The hours from $1 to before $2, both full hours, in which conflicts began that nobody
-- has looked at
-- returns: hour; one row per hour; privilege: SELECT on conflict_hour, effect_hour
select h.hour
  from (select hour, sum(conflicts) as conflicts from pgconflict.conflict_hour
         where hour >= $1::timestamptz and hour < $2::timestamptz group by hour) h
  left join (select hour, sum(conflicts) as conflicts from pgconflict.effect_hour
              where hour >= $1::timestamptz and hour < $2::timestamptz group by hour) e
    using (hour)
 where h.conflicts > coalesce(e.conflicts, 0)
 order by h.hour
