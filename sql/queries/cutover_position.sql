-- returns: how far WAL is written and flushed
-- one row; privilege: none
select pg_catalog.pg_is_in_recovery() as in_recovery,
       case when pg_catalog.pg_is_in_recovery() then
           (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_catalog.pg_lsn)::bigint
       else (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn)::bigint
       end as inserted,
       case when pg_catalog.pg_is_in_recovery() then
           (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_catalog.pg_lsn)::bigint
       else (pg_catalog.pg_current_wal_flush_lsn() - '0/0'::pg_catalog.pg_lsn)::bigint
       end as flushed,
       pg_catalog.current_setting('wal_block_size')::integer as block_size
