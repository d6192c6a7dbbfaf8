-- The events that these conflicts are part of.
-- $1: conflicts
-- returns: event, conflict, when it was logged first
-- one row per conflict of these events; privilege: SELECT on conflict_event
select m.event_id, m.conflict_id, m.first_logged_at
  from pgconflict.conflict_event m
 where m.event_id in (
        select e.event_id from pgconflict.conflict_event e
         where e.conflict_id = any ($1::bigint[]))
 order by m.event_id, m.first_logged_at, m.conflict_id
