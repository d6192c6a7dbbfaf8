-- $1..$11: conflict_filters.sql
-- returns: cause and effect, null where not decided; conflicts, and rows of tables that
--     they are about
-- one row per cause and effect; none where no row of a node was ever looked at
-- privilege: SELECT on conflict_log, verdict
select c.cause, c.effect, count(*) as conflicts,
       count(distinct (c.schemaname, c.relname, c.replica_identity_text))
           filter (where c.effect = 'diverged') as differing
  from pgconflict.conflict_log c
 where exists (select from pgconflict.verdict) and c.kind in ('conflict', 'difference')
   and {filters}
 group by 1, 2
