-- returns: how many conflicts were recorded of a subscription, in whole hours
-- $1 the hour from which on
-- one row per node and subscription; privilege: SELECT on conflict_hour
select node, subname, sum(conflicts)::bigint as conflicts,
       sum(attempts)::bigint as attempts
  from pgconflict.conflict_hour
 where hour >= $1::timestamptz and subname is not null
 group by node, subname
