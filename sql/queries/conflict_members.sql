-- Conflicts by number and time: only the days of these times are read.
-- $1..$11: conflict_filters.sql; $12: conflicts; $13: when they were logged first
-- returns: whether the conflict passes the filters, {columns}
-- one row per conflict; privilege: SELECT on conflict_log
select coalesce(({filters}), false) as passes, {columns}
  from pgconflict.conflict_log c
 where c.conflict_id = any ($12::bigint[]) and c.first_logged_at = any ($13::timestamptz[])
