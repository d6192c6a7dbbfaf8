-- Puts conflicts off that could not be looked at yet.
-- $1: conflict_ids; $2: seconds until the next look, of each
-- returns: a number per conflict; privilege: UPDATE on verdict_due
update pgconflict.verdict_due d
   set due_at = now() + g.again * interval '1 second', looks = d.looks + 1
  from unnest($1::int8[], $2::float8[]) as g (conflict_id, again)
 where d.conflict_id = g.conflict_id
returning 1
