-- returns: who answered and how far it is: the WAL's insert and flush positions as
--          numbers, the next transaction's 32-bit number
-- one row; privilege: none
select c.system_identifier, pg_catalog.current_database()::text as database,
       current_user::text as role,
       pg_catalog.current_setting('server_version') as version,
       pg_catalog.current_setting('server_version_num')::integer as version_num,
       pg_catalog.pg_is_in_recovery() as in_recovery,
       -- Not the flush position: a transaction that was rolled back may not be flushed,
       -- and pg_upgrade finds it behind a slot all the same.
       case when not pg_catalog.pg_is_in_recovery() then
           pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')
       end::bigint as insert_lsn,
       case when not pg_catalog.pg_is_in_recovery() then
           pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')
       end::bigint as flush_lsn,
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint
           % 4294967296 as next_xid
  from pg_catalog.pg_control_system() c
