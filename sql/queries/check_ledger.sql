-- returns: what servers counted and the conflict log has not, or the other way round,
--          with what may have hidden it
-- one row per node, subscription and counter; privilege: SELECT on ledger and
-- ledger_difference
select l.node, l.subname, l.database, l.counter, l.unaccounted, l.began_at,
       array(select distinct unnest(d.reasons)
               from pgconflict.ledger_difference d
              where (d.system_identifier, d.subid, d.counter, d.epoch_began_at)
                  = (l.system_identifier, l.subid, l.counter, l.began_at)
              order by 1) as reasons,
       (select min(d.after) from pgconflict.ledger_difference d
         where (d.system_identifier, d.subid, d.counter, d.epoch_began_at)
             = (l.system_identifier, l.subid, l.counter, l.began_at)) as after
  from pgconflict.ledger l
 where l.ended_at is null and l.unaccounted <> 0
 order by l.node, l.subname, l.counter
