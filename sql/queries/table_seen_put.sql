-- Records what was seen of a table; the columns of table_seen in their order
-- returns: nothing
-- privilege: SELECT, INSERT, UPDATE on table_seen
insert into pgconflict.table_seen as s
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (system_identifier, relid) do update
   set seen_at = excluded.seen_at, up_since = excluded.up_since,
       change = excluded.change, same_since = excluded.same_since,
       vacuums = excluded.vacuums, vacuuming_ms = excluded.vacuuming_ms,
       at_work_since = excluded.at_work_since,
       vacuum_began = excluded.vacuum_began, vacuum_ended = excluded.vacuum_ended
