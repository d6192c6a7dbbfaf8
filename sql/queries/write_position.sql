-- returns: where the next WAL record of the server will begin, as a number; its clock
--          before and after it was asked; the oldest transaction still at work then;
--          since when the server is up: a crash begins it anew
-- one row; privilege: none
select case when at % block in (24, 40) then at - at % block else at end as position,
       began, oldest_xid, up_since, pg_catalog.clock_timestamp() as clock
  from (select pg_catalog.clock_timestamp() as began,
               pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())
                   ::text::bigint as oldest_xid,
               pg_catalog.pg_wal_lsn_diff(
                   pg_catalog.pg_current_wal_insert_lsn(), '0/0')::bigint as at,
               -- A crash of one process restarts all but the postmaster, and loses the
               -- statistics: they are reset by then.
               greatest(pg_catalog.pg_postmaster_start_time(),
                        pg_catalog.pg_stat_get_bgwriter_stat_reset_time()) as up_since,
               -- After a full page the position is past the next one's header, where
               -- nothing may be confirmed for long: its begin is the same place.
               pg_catalog.current_setting('wal_block_size')::bigint as block) p
