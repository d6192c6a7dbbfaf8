-- $1: the conflicts' numbers
-- returns: {columns}; one row per conflict; privilege: SELECT on conflict_log
select {columns}
  from pgconflict.conflict_log c
 where c.conflict_id = any ($1::bigint[])
