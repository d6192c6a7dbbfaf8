-- returns: nothing; privilege: INSERT and UPDATE on native_position
insert into pgconflict.native_position (system_identifier, subid, remote_commit_lsn)
values ($1, $2, $3)
on conflict (system_identifier, subid) do update
   set remote_commit_lsn = excluded.remote_commit_lsn, updated_at = now()
