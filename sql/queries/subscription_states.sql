-- returns: the subscriptions of all databases, with their worker and errors; LSNs as
--          numbers; what a version has not, as null
-- one row per subscription; privilege: none
select s.oid::bigint as subid, s.subname::text as name, d.datname::text as database,
       r.rolname::text as owner,
       pg_catalog.pg_has_role(s.subowner, 'usage') as owned_by_us,
       s.subenabled as enabled, s.subdisableonerr as disable_on_error,
       s.subslotname::text as slot_name, s.subpublications as publications,
       s.subtwophasestate = 'e' as two_phase,
       case when s.substream then 'on' else 'off' end as streaming,
       null::text as origin,
       pg_catalog.pg_wal_lsn_diff(s.subskiplsn, '0/0')::bigint as skip_lsn,
       w.pid as worker_pid, w.last_msg_receipt_time as last_message,
       coalesce(a.workers, 0) as workers,
       c.apply_error_count as apply_errors,
       c.sync_error_count as sync_errors
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
  join pg_catalog.pg_roles r on r.oid = s.subowner
  left join pg_catalog.pg_stat_subscription w
    on w.subid = s.oid and w.relid is null and w.pid is not null
  left join (select subid, count(pid) as workers
               from pg_catalog.pg_stat_subscription group by subid) a
    on a.subid = s.oid
  left join pg_catalog.pg_stat_subscription_stats c on c.subid = s.oid
 order by s.subname, d.datname
