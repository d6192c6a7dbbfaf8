-- Marks the staged entries that become rows: the first of each conflict that the
-- conflict log does not hold.
-- $1, $2: the days that can hold them
-- privilege: SELECT on conflict_log
update pg_temp.stage s
   set fresh = true
 where s.ctid in (
    select distinct on (system_identifier, subid, remote_commit_lsn, identity, place)
           ctid
      from pg_temp.stage
     order by system_identifier, subid, remote_commit_lsn, identity, place,
              first_logged_at, line_num)
   and not exists (
    select from pgconflict.conflict_log c
     where c.first_logged_at >= $1 and c.first_logged_at < $2
       and c.system_identifier = s.system_identifier
       and coalesce(c.subid, 0) = coalesce(s.subid, 0)
       and coalesce(c.remote_commit_lsn, '0/0') = coalesce(s.remote_commit_lsn, '0/0')
       and c.identity = s.identity
       and c.place = s.place)
