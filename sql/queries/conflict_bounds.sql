-- returns: the first and the last hour with conflicts, both null without any; one row
-- privilege: SELECT on conflict_hour
select min(hour), max(hour) from pgconflict.conflict_hour
