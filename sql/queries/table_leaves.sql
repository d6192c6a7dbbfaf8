-- $1: relation
-- returns: its partitions that hold rows, and whether a subscription writes to each of
--          them by its own name
-- one row per partition; privilege: none
select c.oid as relid, n.nspname::text as schemaname, c.relname::text as relname,
       exists (select from pg_catalog.pg_subscription_rel r
                where r.srrelid = c.oid) as subscribed
  from pg_catalog.pg_partition_tree($1::oid::regclass) t
  join pg_catalog.pg_class c on c.oid = t.relid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where t.isleaf and c.oid <> $1::oid
 order by c.oid
