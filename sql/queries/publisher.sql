-- returns: how far the server has flushed or replayed its WAL, as a number; what bounds
--          its slots, in bytes and seconds (null: nothing)
-- one row; privilege: none
select pg_catalog.pg_wal_lsn_diff(
           case when pg_catalog.pg_is_in_recovery()
                then pg_catalog.pg_last_wal_replay_lsn()
                -- Not the insert position: nothing is sent before it is flushed.
                else pg_catalog.pg_current_wal_flush_lsn() end, '0/0')::bigint
           as current_lsn,
       nullif(pg_catalog.pg_size_bytes(
                  pg_catalog.current_setting('max_slot_wal_keep_size')), -1)
           as slot_wal_limit,
       -- Of 18 and later.
       nullif(extract(epoch from pg_catalog.current_setting(
                  'idle_replication_slot_timeout', true)::interval), 0)::float8
           as slot_idle_timeout
