-- The events that have one of these conflicts, or are about one of these writes.
-- $1: conflicts; $2: digests of writes
-- returns: their conflicts, all of them
-- one row per conflict; privilege: SELECT on conflict_event
select m.conflict_id, m.event_id, m.first_logged_at, m.writes
  from pgconflict.conflict_event m
 where m.event_id in (
        select e.event_id from pgconflict.conflict_event e
         where e.conflict_id = any ($1::bigint[]) or e.writes && $2::bigint[])
