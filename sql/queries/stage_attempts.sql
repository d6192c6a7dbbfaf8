-- Stores the entries that repeat a conflict, and counts them in its row.
-- $1, $2: the days that can hold the conflicts
-- returns: subscription, kind and type of each attempt, with how many
-- one row per subscription, kind and type
-- privilege: INSERT on conflict_attempt, SELECT and UPDATE on conflict_log
with repeated as (
    insert into pgconflict.conflict_attempt (
        system_identifier, identity, session_id, line_num, logged_at, subid,
        remote_commit_lsn, place, pid)
    select system_identifier, identity, session_id, line_num, first_logged_at, subid,
           remote_commit_lsn, place, pid
      from pg_temp.stage where not fresh
    on conflict do nothing
    returning system_identifier, subid, remote_commit_lsn, identity, place, logged_at),
s as (
    select system_identifier, subid, remote_commit_lsn, identity, place,
           count(*) as attempts, min(logged_at) as first, max(logged_at) as last
      from repeated group by 1, 2, 3, 4, 5),
counted as (
    update pgconflict.conflict_log c
       set attempts = c.attempts + s.attempts,
           first_logged_at = least(c.first_logged_at, s.first),
           last_logged_at = greatest(c.last_logged_at, s.last),
           -- Logged once more after its story seemed to have ended: it has not.
           status = case when c.stalls and s.last > c.status_at then 'open'
                         else c.status end,
           status_at = case when c.stalls and s.last > c.status_at
                                 and c.status <> 'open' then s.last
                            else c.status_at end
      from s
     where c.first_logged_at >= $1 and c.first_logged_at < $2
       and c.system_identifier = s.system_identifier
       and coalesce(c.subid, 0) = coalesce(s.subid, 0)
       and coalesce(c.remote_commit_lsn, '0/0') = coalesce(s.remote_commit_lsn, '0/0')
       and c.identity = s.identity
       and c.place = s.place
    returning c.subid, c.subname, c.kind, c.conflict_type, c.severity, c.remote_origin,
              s.attempts)
select coalesce(subname, '') as subname, kind, coalesce(conflict_type, '') as type,
       subid, severity = 'ERROR' and remote_origin is not null as failed,
       sum(attempts)::bigint as number
  from counted group by 1, 2, 3, 4, 5
