-- What was found about a conflict's row, look after look; looks that found the same as
-- the one before are left out.
-- $1: conflict; $2: at most
-- returns: the latest first; row_values and evidence as text
-- one row per look; privilege: SELECT on verdict
select v.looked_at, v.verdict, v.reason, v.columns, v.row_values::text as row_values,
       v.cause, v.effect, v.evidence::text as evidence
  from pgconflict.verdict v
 where v.conflict_id = $1
 order by v.looked_at desc
 limit $2
