-- returns: what write_position does; then how far each subscription has applied its
--          publisher's changes: origin to the finish LSN of the last transaction, a
--          number, as JSON; the clock after that was asked
-- one row; privilege: EXECUTE on pg_show_replication_origin_status()
select case when at % block in (24, 40) then at - at % block else at end as position,
       began, oldest_xid, up_since,
       -- In this order: each clock is read after what stands before it.
       pg_catalog.clock_timestamp() as clock,
       (select pg_catalog.json_object_agg(
                   pg_catalog.substr(o.external_id, 4),
                   pg_catalog.pg_wal_lsn_diff(o.remote_lsn, '0/0')::bigint)::text
          from pg_catalog.pg_show_replication_origin_status() o
         where o.external_id ~ '^pg_[0-9]+$' and o.remote_lsn is not null) as applied,
       pg_catalog.clock_timestamp() as ended
  from (select pg_catalog.clock_timestamp() as began,
               pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())
                   ::text::bigint as oldest_xid,
               pg_catalog.pg_wal_lsn_diff(
                   pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint as at,
               greatest(pg_catalog.pg_postmaster_start_time(),
                        pg_catalog.pg_stat_get_bgwriter_stat_reset_time()) as up_since,
               pg_catalog.current_setting('wal_block_size')::bigint as block) p
