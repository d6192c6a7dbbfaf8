-- $1..$11: conflict_filters.sql
-- returns: how many rows of tables differ, however many conflicts are about each
-- one row; privilege: SELECT on conflict_log
select count(distinct (c.schemaname, c.relname, coalesce(
           c.replica_identity_text, c.local_conflicts[1] ->> 'key_text')))
  from pgconflict.conflict_log c
 where c.verdict is not null and c.effect is distinct from 'none'
   and c.effect = 'diverged' and {filters}
