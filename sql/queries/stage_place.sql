-- Gives each staged entry its place among the equal entries of its attempt, after
-- those of the attempt that the conflict log holds already.
-- $1, $2: the days that can hold them
-- privilege: SELECT on conflict_log, conflict_attempt
with ranked as (
    select s.ctid as row_id,
           row_number() over (
               partition by s.system_identifier, s.subid, s.remote_commit_lsn,
                            s.identity, s.session_id
               order by s.line_num, s.first_logged_at) as rank,
           s.system_identifier, s.subid, s.remote_commit_lsn, s.identity, s.session_id
      from pg_temp.stage s),
attempt as (
    select system_identifier, subid, remote_commit_lsn, identity, session_id
      from ranked where rank = 1),
held as (
    select s.*,
           greatest(
               (select c.place from pgconflict.conflict_log c
                 where c.first_logged_at >= $1 and c.first_logged_at < $2
                   and c.system_identifier = s.system_identifier
                   and coalesce(c.subid, 0) = coalesce(s.subid, 0)
                   and coalesce(c.remote_commit_lsn, '0/0') = coalesce(s.remote_commit_lsn, '0/0')
                   and c.identity = s.identity
                   and c.session_id = s.session_id
                 order by c.place desc limit 1),
               (select max(a.place) from pgconflict.conflict_attempt a
                 where a.system_identifier = s.system_identifier
                   and a.identity = s.identity and a.session_id = s.session_id)
           ) as places
      from attempt s)
update pg_temp.stage s
   set place = ranked.rank + coalesce(held.places, 0)
  from ranked
  join held on held.system_identifier = ranked.system_identifier
   and held.subid is not distinct from ranked.subid
   and held.remote_commit_lsn is not distinct from ranked.remote_commit_lsn
   and held.identity = ranked.identity
   and held.session_id = ranked.session_id
 where s.ctid = ranked.row_id
