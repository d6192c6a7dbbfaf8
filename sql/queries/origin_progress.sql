-- returns: how far each subscription has applied its publisher's changes, as the
--          number of the finish LSN of the last transaction
-- one row per replication origin of a subscription; privilege: EXECUTE on
-- pg_show_replication_origin_status()
select o.external_id as origin,
       pg_catalog.pg_wal_lsn_diff(o.remote_lsn, '0/0')::bigint as remote_lsn
  from pg_catalog.pg_show_replication_origin_status() o
 where o.external_id ~ '^pg_[0-9]+$' and o.remote_lsn is not null
