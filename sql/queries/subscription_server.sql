-- returns: who and where we are; how far the server's WAL is, as a number, and how much
--          it has written in how many seconds; what our role may
-- one row; privilege: none
select c.system_identifier, pg_catalog.current_database()::text as database,
       current_user::text as role,
       pg_catalog.current_setting('server_version') as version,
       pg_catalog.pg_is_in_recovery() as in_recovery,
       pg_catalog.pg_wal_lsn_diff(
           case when pg_catalog.pg_is_in_recovery()
                then pg_catalog.pg_last_wal_replay_lsn()
                -- Not the insert position: nothing is sent before it is flushed.
                else pg_catalog.pg_current_wal_flush_lsn() end, '0/0')::bigint
           as current_lsn,
       w.wal_bytes::bigint as wal_bytes,
       extract(epoch from pg_catalog.clock_timestamp() - w.stats_reset)::float8
           as wal_seconds,
       pg_catalog.clock_timestamp() as now,
       r.rolsuper as superuser, r.rolsuper or r.rolreplication as replication,
       pg_catalog.has_column_privilege(
           'pg_catalog.pg_subscription', 'subconninfo', 'select') as conninfo,
       pg_catalog.has_function_privilege(
           'pg_catalog.pg_show_replication_origin_status()', 'execute')
       and pg_catalog.has_table_privilege(
           'pg_catalog.pg_replication_origin_status', 'select') as origins,
       (select g.setting::bigint from pg_catalog.pg_settings g
         where g.name = 'wal_retrieve_retry_interval') as retry_ms
  from pg_catalog.pg_control_system() c
 cross join pg_catalog.pg_stat_wal w
 cross join pg_catalog.pg_roles r
 where r.rolname = current_user
