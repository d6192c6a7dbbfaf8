-- Records which event conflicts belong to. Arrays of one length, an element a conflict:
-- $1 conflict_id, $2 event_id, $3 first_logged_at, $4 digests of its writes, as text
-- returns: nothing; privilege: SELECT, INSERT, UPDATE on conflict_event
insert into pgconflict.conflict_event as e (conflict_id, event_id, first_logged_at, writes)
select g.conflict_id, g.event_id, g.first_logged_at, g.writes::bigint[]
  from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[])
       as g (conflict_id, event_id, first_logged_at, writes)
 order by g.conflict_id
    on conflict (conflict_id) do update
   set event_id = excluded.event_id, writes = excluded.writes
