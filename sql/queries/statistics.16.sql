-- returns: each subscription with its worker and the server's own counters; those of
--          conflicts as the server names them, confl_TYPE
-- one row per subscription of the server; privilege: none
-- Functions, not the views over them: these look up pg_subscription once more for each
-- subscription, and the question is asked every second.
select s.oid as subid, s.subname::text as name, d.datname::text as database,
       s.subenabled as enabled, w.pid is not null as worker_up,
       w.last_msg_receipt_time as last_message,
       pg_catalog.pg_wal_lsn_diff(w.latest_end_lsn, '0/0')::bigint as latest_end_lsn,
       c.apply_error_count as apply_errors,
       c.sync_error_count as sync_table_errors, null::bigint as sync_sequence_errors,
       c.stats_reset,
       pg_catalog.pg_stat_get_bgwriter_stat_reset_time() as statistics_began
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
  left join pg_catalog.pg_stat_get_subscription(null) w
    on w.subid = s.oid and w.relid is null and w.leader_pid is null
       and w.pid is not null
 cross join lateral pg_catalog.pg_stat_get_subscription_stats(s.oid) c
