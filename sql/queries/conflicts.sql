-- A page of conflicts, in the order of their first log entry.
-- $1..$11: conflict_filters.sql; $12, $13: after this time and number; $14: at most
-- returns: {columns}; one row per conflict; privilege: SELECT on conflict_log
select {columns}
  from pgconflict.conflict_log c
 where {filters}
   and ($12::timestamptz is null or (c.first_logged_at, c.conflict_id) {beyond} ($12, $13::bigint))
 order by c.first_logged_at {direction}, c.conflict_id {direction}
 limit $14::bigint
