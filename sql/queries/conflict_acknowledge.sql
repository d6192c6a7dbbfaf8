-- Marks conflicts as seen by a person.
-- $1: numbers, $2: when each was first logged, $3: who, $4: note or null,
-- $5: those too that are acknowledged already
-- returns: conflict_id; one row per conflict changed
-- privilege: UPDATE (acknowledged_at, acknowledged_by, note) on conflict_log
update pgconflict.conflict_log c
   set acknowledged_at = now(), acknowledged_by = $3::text, note = $4::text
  from unnest($1::bigint[], $2::timestamptz[]) as w (conflict_id, first_logged_at)
 where c.conflict_id = w.conflict_id and c.first_logged_at = w.first_logged_at
   and ($5::boolean or c.acknowledged_at is null)
returning c.conflict_id
