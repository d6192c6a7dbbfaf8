-- The row of these conflicts agrees again.
-- $1: conflicts; $2: effect of each; $3: repair
-- returns: nothing; privilege: UPDATE on conflict_log, verdict_due; INSERT on verdict;
--          SELECT on repair
with given as (
    select * from unnest($1::bigint[], $2::text[]) g (conflict_id, effect)),
changed as (
    update pgconflict.conflict_log c
       set verdict = 'converged', verdict_at = now(), effect = g.effect
      from given g
     where c.conflict_id = g.conflict_id and not c.stalls
    returning c.conflict_id, c.cause, c.effect),
again as (
    -- The daemon looks once more, and ends it.
    update pgconflict.verdict_due d
       set due_at = now(), verdict = 'converged', looks = 0
      from given g
     where d.conflict_id = g.conflict_id
    returning 1)
insert into pgconflict.verdict (conflict_id, looked_at, verdict, reason, cause, effect,
                                evidence)
select conflict_id, clock_timestamp(), 'converged', 'repaired', cause, effect,
       jsonb_strip_nulls(jsonb_build_object(
           'repair', $3::bigint, 'winner',
           (select r.winner from pgconflict.repair r where r.repair_id = $3)))
  from changed
    on conflict do nothing
