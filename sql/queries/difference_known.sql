-- $1: system identifier; $2: subscription; $3: identity
-- returns: the difference that was found earlier and is still there
-- one row, if there is one; privilege: SELECT, UPDATE on conflict_log
update pgconflict.conflict_log c
   set verdict_at = now(), last_logged_at = greatest(last_logged_at, now())
 where c.system_identifier = $1 and coalesce(c.subid, 0) = coalesce($2::oid, 0)
   and coalesce(c.remote_commit_lsn, '0/0') = '0/0' and c.identity = $3::bytea
   and c.verdict = 'diverged'
returning c.conflict_id
