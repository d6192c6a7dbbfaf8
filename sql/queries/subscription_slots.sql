-- returns: the server's logical slots, who reads each, and how far it has come; LSNs as
--          numbers; what a version has not, as null
-- one row per slot that is not temporary; privilege: none, and pg_monitor to see who
-- reads it
select s.slot_name::text as name, s.database::text as database,
       s.plugin::text as plugin, s.active, s.active_pid, s.two_phase,
       s.wal_status, s.safe_wal_size,
       pg_catalog.pg_wal_lsn_diff(s.restart_lsn, '0/0')::bigint as restart_lsn,
       pg_catalog.pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::bigint
           as confirmed_lsn,
       coalesce(j.slot ->> 'invalidation_reason',
                -- 15 and 16 do not say whether WAL or rows are gone (seen: 16 calls
                -- a slot conflicting whose WAL was removed).
                case when s.wal_status = 'lost' or (j.slot ->> 'conflicting')::boolean
                     then 'lost' end) as invalidated,
       (j.slot ->> 'inactive_since')::timestamptz as inactive_since,
       -- Its xid and above may be needed by it: nothing below was given out since.
       s.catalog_xmin::text::bigint as catalog_xmin,
       r.application_name::text as application_name,
       extract(epoch from r.replay_lag)::float8 as replay_lag_s
  from pg_catalog.pg_replication_slots s
 cross join lateral (select pg_catalog.to_jsonb(s) as slot) j
  left join pg_catalog.pg_stat_replication r on r.pid = s.active_pid
 where s.slot_type = 'logical' and not s.temporary
 order by s.slot_name
