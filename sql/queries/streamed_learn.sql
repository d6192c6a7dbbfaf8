-- Completes the rows of a streamed transaction with its finish LSN.
-- $1 system identifier, $2 subscription, $3 remote xid, $4 finish LSN
-- returns: the days touched; one row per day
-- privilege: SELECT, UPDATE on conflict_log and conflict_attempt
with completed as (
    update pgconflict.conflict_log c
       set remote_commit_lsn = $4
     where c.system_identifier = $1 and coalesce(c.subid, 0) = $2
       and coalesce(c.remote_commit_lsn, '0/0') = '0/0' and c.remote_xid = $3
    returning c.identity, c.first_logged_at),
attempts as (
    update pgconflict.conflict_attempt a
       set remote_commit_lsn = $4
      from (select distinct identity from completed) c
     where a.system_identifier = $1 and a.identity = c.identity
       and a.remote_commit_lsn is null)
select distinct (first_logged_at at time zone 'UTC')::date as day from completed
