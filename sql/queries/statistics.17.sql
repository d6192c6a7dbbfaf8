-- returns: each subscription with its worker and the server's own counters
-- one row per subscription of the server; privilege: none
select s.oid as subid, s.subname::text as name, d.datname::text as database,
       s.subenabled as enabled, w.pid is not null as worker_up,
       w.last_msg_receipt_time as last_message,
       pg_catalog.pg_wal_lsn_diff(w.latest_end_lsn, '0/0')::bigint as latest_end_lsn,
       c.apply_error_count as apply_errors,
       c.sync_error_count as sync_table_errors, null::bigint as sync_sequence_errors,
       null::text as conflicts, c.stats_reset,
       pg_catalog.pg_stat_get_bgwriter_stat_reset_time() as statistics_began
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
  left join pg_catalog.pg_stat_subscription w
    on w.subid = s.oid and w.worker_type = 'apply'
  left join pg_catalog.pg_stat_subscription_stats c on c.subid = s.oid
