-- $1: relation
-- returns: the subscriptions that write to it, with their publications; since when;
--          the publisher's position when its rows had been copied; whether it is also
--          sent what the publisher has applied itself
-- one row per subscription; privilege: none
select s.oid as subid, s.subpublications::text[] as publications,
       r.srsubstate::text as state,
       case when pg_catalog.current_setting('track_commit_timestamp') = 'on'
            then pg_catalog.pg_xact_commit_timestamp(r.xmin) end as since,
       -- Null where nothing was copied.
       coalesce(pg_catalog.pg_wal_lsn_diff(r.srsublsn, '0/0'), 0)::bigint as copied,
       true as of_others
  from pg_catalog.pg_subscription_rel r
  join pg_catalog.pg_subscription s on s.oid = r.srsubid
 where r.srrelid in (select $1::oid
                     union select relid from pg_catalog.pg_partition_ancestors($1))
