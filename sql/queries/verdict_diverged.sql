-- returns: how many rows differ now, by the node and subscription that logged it
-- one row per subscription with conflicts that are looked at; privilege: SELECT on
-- verdict_due
select d.node, coalesce(d.subname, '') as subname,
       count(distinct d.row_digest) filter (where d.verdict = 'diverged') as number
  from pgconflict.verdict_due d
 group by d.node, d.subname
