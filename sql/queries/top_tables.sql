-- $1: how many tables of each subscription are named; the rest is one row: other
-- returns: conflicts of the last 24 hours, and of the hour they began in, by table
-- one row per node, subscription and table; privilege: SELECT on conflict_hour
with counted as (
    select node, coalesce(subname, '') as subscription,
           coalesce(schemaname, '') as schemaname,
           coalesce(relname, relation, '') as relname,
           sum(conflicts) as conflicts
      from pgconflict.conflict_hour
     where kind = 'conflict' and hour > now() - interval '25 hours'
     group by 1, 2, 3, 4
    having sum(conflicts) > 0),
ranked as (
    select counted.*,
           row_number() over (partition by node, subscription
                              order by conflicts desc, schemaname, relname)
               <= $1::int4 as named
      from counted)
select node, subscription, case when named then schemaname else '' end as schemaname,
       case when named then relname else 'other' end as relname,
       sum(conflicts)::bigint as conflicts
  from ranked
 group by 1, 2, 3, 4
