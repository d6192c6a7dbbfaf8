-- $1: conflict
-- returns: the other node's entries that prove what caused it: one event with it
-- one row per conflict; privilege: SELECT on verdict
select distinct e.value::bigint as conflict_id
  from pgconflict.verdict v
  cross join lateral pg_catalog.jsonb_array_elements_text(v.evidence -> 'entries') e
 where v.conflict_id = $1 and e.value::bigint <> $1
 order by 1
 limit 20
