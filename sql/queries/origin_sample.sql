-- returns: how far each subscription has applied its publisher's changes: origin to the
--          finish LSN of the last transaction, a number, as JSON; the clock before and
--          after that was asked
-- one row; privilege: EXECUTE on pg_show_replication_origin_status()
select pg_catalog.clock_timestamp() as began,
       (select pg_catalog.json_object_agg(
                   pg_catalog.substr(o.external_id, 4),
                   pg_catalog.pg_wal_lsn_diff(o.remote_lsn, '0/0')::bigint)::text
          from pg_catalog.pg_show_replication_origin_status() o
         where o.external_id ~ '^pg_[0-9]+$' and o.remote_lsn is not null) as applied,
       pg_catalog.clock_timestamp() as ended
