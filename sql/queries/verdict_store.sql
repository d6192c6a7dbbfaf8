-- Records what looking found. Arrays of one length, an element a conflict:
-- $1 conflict_id, $2 first_logged_at, $3 verdict, $4 reason, $5 columns (JSON),
-- $6 values (JSON), $7 cause, $8 effect, $9 evidence (JSON), $10 seconds until the
-- next look (null: none), $11 digest of the row; $12: when both nodes were asked
-- returns: a number per row of conflict_log that changed
-- privilege: UPDATE on conflict_log; INSERT on verdict; UPDATE, DELETE on verdict_due
with given as (
    select * from unnest($1::int8[], $2::timestamptz[], $3::text[], $4::text[],
                         $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                         $10::float8[], $11::bytea[])
        as g (conflict_id, first_logged_at, verdict, reason, columns, row_values,
              cause, effect, evidence, again, row_digest)),
history as (
    insert into pgconflict.verdict (conflict_id, looked_at, verdict, reason, columns,
                                    row_values, cause, effect, evidence)
    select g.conflict_id, $12::timestamptz, g.verdict, g.reason,
           (select array_agg(x order by n) from jsonb_array_elements_text(
                g.columns::jsonb) with ordinality e (x, n)),
           g.row_values::jsonb, g.cause, g.effect, g.evidence::jsonb
      from given g
      join pgconflict.conflict_log c
        on c.conflict_id = g.conflict_id and c.first_logged_at = g.first_logged_at
     where (c.verdict, c.cause, c.effect) is distinct from (g.verdict, g.cause, g.effect)
        on conflict do nothing
    returning 1),
again as (
    update pgconflict.verdict_due d
       set due_at = now() + g.again * interval '1 second', looks = d.looks + 1,
           verdict = g.verdict,
           -- The key is not known to a look that could not be taken.
           row_digest = coalesce(g.row_digest, d.row_digest)
      from given g
     where d.conflict_id = g.conflict_id and g.again is not null
    returning 1),
done as (
    delete from pgconflict.verdict_due d
     using given g
     where d.conflict_id = g.conflict_id and g.again is null
    returning 1)
update pgconflict.conflict_log c
   set verdict = g.verdict, verdict_at = $12, cause = g.cause, effect = g.effect
  from given g
 where c.conflict_id = g.conflict_id and c.first_logged_at = g.first_logged_at
   and (c.verdict, c.cause, c.effect) is distinct from (g.verdict, g.cause, g.effect)
returning 1
