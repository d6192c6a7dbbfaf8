-- Turns rows copied from PostgreSQL's own table into the staged log entries' rows, which
-- are the same conflicts, and removes these from the stage.
-- $1, $2: the days that can hold them
-- returns: subscription, kind and type of each entry, with how many
-- one row per subscription, kind and type; privilege: SELECT, UPDATE on conflict_log
with first as (
    select distinct on (s.identity, s.place) s.ctid as row_id, s.*
      from pg_temp.stage s
     where not exists (
        select from pgconflict.conflict_log c
         where c.first_logged_at >= $1 and c.first_logged_at < $2
           and c.system_identifier = s.system_identifier
           and coalesce(c.subid, 0) = coalesce(s.subid, 0)
           and coalesce(c.remote_commit_lsn, '0/0') = coalesce(s.remote_commit_lsn, '0/0')
           and c.identity = s.identity and c.place = s.place and c.attempts > 0)
     order by s.identity, s.place, s.first_logged_at, s.line_num),
pairs as (
    select distinct on (row_id) row_id, conflict_id, first_logged_at
      from (
        select s.row_id, c.conflict_id, c.first_logged_at,
               dense_rank() over (partition by s.identity order by c.conflict_id)
                   as copied,
               dense_rank() over (partition by s.identity order by s.place) as logged
          from first s
          join pgconflict.conflict_log c
            on c.first_logged_at >= $1 and c.first_logged_at < $2
           and c.system_identifier = s.system_identifier
           and coalesce(c.subid, 0) = coalesce(s.subid, 0)
           and coalesce(c.remote_commit_lsn, '0/0') = coalesce(s.remote_commit_lsn, '0/0')
           and c.remote_xid is not distinct from s.remote_xid and c.kind = s.kind
           and c.conflict_type = s.conflict_type and c.relname = s.relname
           and c.schemaname is not distinct from s.schemaname
           and (c.replica_identity is null or s.replica_identity is null
                or c.replica_identity = s.replica_identity)
         where c.source = 'native' and c.attempts = 0) m
     where copied = logged
     order by row_id, conflict_id),
adopted as (
    update pgconflict.conflict_log c
       set attempts = 1, place = s.place, last_logged_at = s.last_logged_at,
           relid = coalesce(s.relid, c.relid),
           remote_commit_ts = coalesce(s.remote_commit_ts, c.remote_commit_ts),
           replica_identity_full =
               coalesce(s.replica_identity_full, c.replica_identity_full),
           replica_identity = coalesce(s.replica_identity, c.replica_identity),
           remote_tuple = coalesce(s.remote_tuple, c.remote_tuple),
           kind = s.kind,
           conflict_type = s.conflict_type,
           severity = s.severity,
           sqlstate = s.sqlstate,
           stalls = s.stalls,
           database = s.database,
           subid = s.subid,
           subname = s.subname,
           schemaname = s.schemaname,
           relname = s.relname,
           relation = s.relation,
           operation = s.operation,
           index_names = s.index_names,
           remote_origin = s.remote_origin,
           remote_xid = s.remote_xid,
           remote_commit_lsn = s.remote_commit_lsn,
           local_conflicts = s.local_conflicts,
           truncated_columns = s.truncated_columns,
           replica_identity_text = s.replica_identity_text,
           remote_tuple_text = s.remote_tuple_text,
           message = s.message,
           detail = s.detail,
           context = s.context,
           source = s.source,
           status = s.status,
           status_at = s.status_at,
           identity = s.identity,
           pid = s.pid,
           session_id = s.session_id,
           line_num = s.line_num
      from pairs p
      join pg_temp.stage s on s.ctid = p.row_id
     where c.conflict_id = p.conflict_id and c.first_logged_at = p.first_logged_at
    returning c.subid, c.subname, c.kind, c.conflict_type, c.severity,
              c.remote_origin),
gone as (
    delete from pg_temp.stage s using pairs p where s.ctid = p.row_id)
select coalesce(subname, '') as subname, kind, coalesce(conflict_type, '') as type,
       subid, severity = 'ERROR' and remote_origin is not null as failed,
       count(*) as number
  from adopted group by 1, 2, 3, 4, 5
