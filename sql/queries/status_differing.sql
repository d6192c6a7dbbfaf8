-- returns: how many rows differ now, by the subscriptions that logged conflicts about
--          them; a row is counted once, whoever logged it
-- one row per set of subscriptions; privilege: SELECT on verdict_due
select g.nodes, g.subnames, count(*) as number
  from (select array_agg(d.node order by d.node, d.subname) as nodes,
               array_agg(d.subname order by d.node, d.subname) as subnames
          from (select distinct d.row_digest, d.node, coalesce(d.subname, '') as subname
                  from pgconflict.verdict_due d
                 where d.verdict = 'diverged' and d.row_digest is not null) d
         group by d.row_digest) g
 group by g.nodes, g.subnames
 order by g.nodes, g.subnames
