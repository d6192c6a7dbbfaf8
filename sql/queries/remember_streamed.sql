-- Remembers a transaction logged without its finish LSN, or the LSN once learnt.
-- returns: nothing; privilege: INSERT and UPDATE on streamed_transaction
insert into pgconflict.streamed_transaction as t (
    system_identifier, subid, remote_xid, remote_commit_lsn)
values ($1, $2, $3, $4)
on conflict (system_identifier, subid, remote_xid) do update
   set remote_commit_lsn = coalesce(excluded.remote_commit_lsn, t.remote_commit_lsn),
       seen_at = now()
