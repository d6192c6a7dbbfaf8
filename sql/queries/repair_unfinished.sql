-- $1, $2: schema and table
-- returns: the last repairs of the table that did not come to their end
-- one row per repair; privilege: SELECT on repair
select r.repair_id, r.key::text as key, r.nodes, r.written, r.began_at
  from pgconflict.repair r
 where r.schemaname = $1 and r.relname = $2 and r.outcome is null
   and r.began_at > now() - interval '7 days'
 order by r.repair_id desc
 limit 20
