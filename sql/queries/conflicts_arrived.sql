-- Conflicts by number, for who follows them: numbers grow, but transactions end in
-- any order, so rows can appear below what was seen.
-- $1..$11: conflict_filters.sql; $12: above this number; $13: not these; $14: at most
-- returns: {columns}; one row per conflict; privilege: SELECT on conflict_log
select {columns}
  from pgconflict.conflict_log c
 where {filters}
   and c.conflict_id > $12::bigint and c.conflict_id <> all ($13::bigint[])
 order by c.conflict_id
 limit $14::bigint
