-- returns: the subscriptions of the server that have their replication origin
-- one row per subscription; privilege: none
select s.oid::bigint as subid
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_replication_origin o on o.roname = 'pg_' || s.oid
