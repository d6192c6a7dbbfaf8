-- returns: the conflicts whose rows differed when they were last looked at
-- one row per conflict; privilege: SELECT on conflict_log
select c.conflict_id from pgconflict.conflict_log c
 where c.verdict = 'diverged' order by c.conflict_id
