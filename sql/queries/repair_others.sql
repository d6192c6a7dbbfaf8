-- $1: conflicts
-- returns: further conflicts about their rows, which differed when last looked at
-- one row per conflict; privilege: SELECT on conflict_log, verdict_due
select c.conflict_id, c.conflict_type, c.stalls, c.status, c.cause
  from pgconflict.verdict_due d
  join pgconflict.conflict_log c
    on c.conflict_id = d.conflict_id and c.first_logged_at = d.first_logged_at
 where d.verdict = 'diverged' and d.conflict_id <> all ($1::bigint[])
   and d.row_digest in (select g.row_digest from pgconflict.verdict_due g
                         where g.conflict_id = any ($1::bigint[]))
