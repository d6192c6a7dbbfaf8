-- returns: subscriptions whose worker waits for a lock, and who holds it or is before
--          it in the queue; other workers are left out, they wait in turn
-- one row per subscription; privilege: pg_read_all_stats, else no row
-- Functions, not the views over them, which join what is not needed every few seconds.
select w.subid, bool_or(b.pid <> 0) as by_session, bool_or(b.pid = 0) as by_prepared
  from pg_catalog.pg_stat_get_subscription(null) w
  join pg_catalog.pg_stat_get_activity(null) a
    on a.pid = w.pid and a.wait_event_type = 'Lock'
 -- 0 stands for a prepared transaction.
 cross join lateral unnest(pg_catalog.pg_blocking_pids(w.pid)) as b (pid)
 where not exists (select from pg_catalog.pg_stat_get_subscription(null) o
                    where o.pid = b.pid)
 group by w.subid
