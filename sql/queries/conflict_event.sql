-- The events that these conflicts are part of.
-- $1..$11: conflict_filters.sql; $12: conflicts
-- returns: event, whether the conflict passes the filters, {columns}
-- one row per conflict of these events; privilege: SELECT on conflict_log,
-- conflict_event
select m.event_id, coalesce(({filters}), false) as passes, {columns}
  from pgconflict.conflict_event m
  join pgconflict.conflict_log c
    on c.first_logged_at = m.first_logged_at and c.conflict_id = m.conflict_id
 where m.event_id in (
        select e.event_id from pgconflict.conflict_event e
         where e.conflict_id = any ($12::bigint[]))
 order by m.event_id, c.first_logged_at, c.conflict_id
