-- Whether the conflict log has rows of a transaction without their finish LSN.
-- $1 system identifier, $2 subscription, $3 remote xid
-- returns: whether it has; one row; privilege: SELECT on conflict_log
select exists (
    select from pgconflict.conflict_log
     where system_identifier = $1 and coalesce(subid, 0) = $2
       and coalesce(remote_commit_lsn, '0/0') = '0/0' and remote_xid = $3) as known
