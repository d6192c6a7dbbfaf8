-- Completes rows read from the log with what PostgreSQL's own table holds of the same
-- conflict, and removes these from the stage.
-- $1, $2: the days that can hold them
-- returns: nothing; privilege: SELECT, UPDATE on conflict_log
with pairs as (
    select distinct on (row_id) row_id, conflict_id, first_logged_at
      from (
        select s.ctid as row_id, c.conflict_id, c.first_logged_at,
               dense_rank() over (
                   partition by s.subid, s.remote_commit_lsn, s.remote_xid,
                                s.conflict_type, s.schemaname, s.relname,
                                s.replica_identity
                   order by c.conflict_id) as logged,
               dense_rank() over (
                   partition by s.subid, s.remote_commit_lsn, s.remote_xid,
                                s.conflict_type, s.schemaname, s.relname,
                                s.replica_identity
                   order by s.ctid) as stored
          from pg_temp.stage s
          join pgconflict.conflict_log c
            on c.first_logged_at >= $1 and c.first_logged_at < $2
           and c.system_identifier = s.system_identifier
           and coalesce(c.subid, 0) = coalesce(s.subid, 0)
           and coalesce(c.remote_commit_lsn, '0/0') = coalesce(s.remote_commit_lsn, '0/0')
           and c.remote_xid is not distinct from s.remote_xid and c.kind = s.kind
           and c.conflict_type = s.conflict_type and c.relname = s.relname
           and c.schemaname is not distinct from s.schemaname
           and (c.replica_identity is null or s.replica_identity is null
                or c.replica_identity = s.replica_identity)) m
     where logged = stored
     order by row_id, conflict_id),
merged as (
    update pgconflict.conflict_log c
       set relid = coalesce(c.relid, s.relid),
           remote_commit_ts = coalesce(c.remote_commit_ts, s.remote_commit_ts),
           remote_origin = coalesce(c.remote_origin, s.remote_origin),
           replica_identity_full =
               coalesce(c.replica_identity_full, s.replica_identity_full),
           replica_identity = coalesce(c.replica_identity, s.replica_identity),
           remote_tuple = coalesce(c.remote_tuple, s.remote_tuple)
      from pairs p
      join pg_temp.stage s on s.ctid = p.row_id
     where c.conflict_id = p.conflict_id and c.first_logged_at = p.first_logged_at)
delete from pg_temp.stage s using pairs p where s.ctid = p.row_id
