-- returns: when the oldest transaction committed whose commit time and origin the
--          server knows; null where it keeps none, or none yet
-- one row; privilege: none
select case when pg_catalog.current_setting('track_commit_timestamp') = 'on' then (
           -- A transaction that was rolled back has none: the next one may.
           select min(pg_catalog.pg_xact_commit_timestamp(n.xid::text::xid))
             from pg_catalog.pg_control_checkpoint() c
            cross join lateral (
                select (c.oldest_commit_ts_xid::text::bigint + step) % 4294967296 as xid
                  from pg_catalog.generate_series(0, 63) as step) n
            where c.oldest_commit_ts_xid <> '0'::xid and n.xid > 2)
       end as since
