-- When a conflict was logged, newest first.
-- $1: its number, $2: when it was first logged, $3: at most this many
-- returns: logged_at, pid, session_id, line_num; one row per attempt
-- privilege: SELECT on conflict_log and conflict_attempt
with c as (
    select system_identifier, subid, remote_commit_lsn, identity, place,
           first_logged_at, pid, session_id, line_num
      from pgconflict.conflict_log
     where conflict_id = $1::bigint and first_logged_at = $2::timestamptz)
select a.logged_at, a.pid, a.session_id, a.line_num
  from c join pgconflict.conflict_attempt a
    on a.system_identifier = c.system_identifier and a.identity = c.identity
   and a.place = c.place
   and coalesce(a.subid, 0) = coalesce(c.subid, 0)
   and coalesce(a.remote_commit_lsn, c.remote_commit_lsn, '0/0')
       = coalesce(c.remote_commit_lsn, '0/0')
union all
select c.first_logged_at, c.pid, c.session_id, c.line_num from c
 where c.session_id <> 'native'
 order by logged_at desc, line_num desc
 limit $3::bigint
