-- Removes entries from the stage that the conflict log holds: the same log entry,
-- read again.
-- $1, $2: the days that can hold them
-- privilege: SELECT on conflict_log, conflict_attempt
delete from pg_temp.stage s
 -- Not EXISTS ... OR EXISTS: the planner would read the whole days into a hash table.
 where coalesce(
    (select true from pgconflict.conflict_log c
      where c.first_logged_at >= $1 and c.first_logged_at < $2
        and c.system_identifier = s.system_identifier
        and coalesce(c.subid, 0) = coalesce(s.subid, 0)
        and coalesce(c.remote_commit_lsn, '0/0') = coalesce(s.remote_commit_lsn, '0/0')
        and c.identity = s.identity
        and c.session_id = s.session_id and c.line_num = s.line_num
      limit 1),
    (select true from pgconflict.conflict_attempt a
      where a.system_identifier = s.system_identifier and a.identity = s.identity
        and a.session_id = s.session_id and a.line_num = s.line_num
        and a.logged_at = s.first_logged_at
      limit 1),
    false)
