-- returns: what was seen of tables before
-- one row per table of a node; privilege: SELECT on table_seen
select s.system_identifier, s.relid, s.seen_at, s.up_since, s.change, s.same_since,
       s.vacuums, s.vacuuming_ms, s.at_work_since,
       s.vacuum_began, s.vacuum_ended
  from pgconflict.table_seen s
