-- returns: transactions logged without their finish LSN lately, and what was learnt
-- one row per subscription and transaction; privilege: SELECT on streamed_transaction
select subid, remote_xid, remote_commit_lsn::text as remote_commit_lsn
  from pgconflict.streamed_transaction
 where system_identifier = $1 and seen_at > now() - interval '7 days'
