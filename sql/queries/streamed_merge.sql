-- A streamed transaction's LSN became known, and rows with that LSN exist already:
-- its rows without LSN are those conflicts' attempts. (Logs read out of order.)
-- $1 system identifier, $2 subscription, $3 remote xid, $4 finish LSN
-- returns: nothing
-- privilege: SELECT, UPDATE, DELETE on conflict_log, INSERT on conflict_attempt
with double as (
    select n.tableoid, n.ctid as row_id, n.first_logged_at, n.conflict_id, n.identity,
           n.session_id, n.line_num, n.pid, n.place, n.attempts, n.last_logged_at,
           t.conflict_id as target, t.first_logged_at as target_logged_at
      from pgconflict.conflict_log n
      join pgconflict.conflict_log t
        on t.system_identifier = n.system_identifier
       and coalesce(t.subid, 0) = coalesce(n.subid, 0)
       and coalesce(t.remote_commit_lsn, '0/0') = $4::pg_lsn
       and t.identity = n.identity and t.place = n.place
     where n.system_identifier = $1 and coalesce(n.subid, 0) = $2
       and coalesce(n.remote_commit_lsn, '0/0') = '0/0' and n.remote_xid = $3),
moved as (
    insert into pgconflict.conflict_attempt (
        system_identifier, identity, session_id, line_num, logged_at, subid,
        remote_commit_lsn, place, pid)
    select $1, identity, session_id, line_num, first_logged_at, $2, $4, place, pid
      from double
    on conflict do nothing),
counted as (
    update pgconflict.conflict_log c
       set attempts = c.attempts + d.attempts,
           last_logged_at = greatest(c.last_logged_at, d.last_logged_at)
      from double d
     where c.conflict_id = d.target and c.first_logged_at = d.target_logged_at)
delete from pgconflict.conflict_log c
 using double d
 where c.conflict_id = d.conflict_id and c.first_logged_at = d.first_logged_at
