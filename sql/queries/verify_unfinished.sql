-- $1, $2: schema and table; $3: the nodes' system identifiers; $4: key columns
-- returns: the last comparison of these that was cut short
-- one row, if there is one; privilege: SELECT on verify_run
select v.run_id, v.position, v.ranges, v.row_counts, v.differing, v.unsettled
  from pgconflict.verify_run v
 where v.schemaname = $1 and v.relname = $2 and v.system_identifiers = $3::bigint[]
   and v.key_columns = $4::text[] and v.position is not null
   and v.ended_at is null
   and not exists (select from pgconflict.verify_run w
                    where w.schemaname = $1 and w.relname = $2
                      and w.system_identifiers = $3::bigint[]
                      and w.run_id > v.run_id and w.ended_at is not null)
 order by v.run_id desc
 limit 1
