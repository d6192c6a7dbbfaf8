-- returns: deferrable unique and primary key constraints of subscribed tables
-- one row per constraint, of this database; privilege: none
select distinct n.nspname::text as schemaname,
       c.relname::text as relname,
       k.conname::text as name
  from pg_catalog.pg_subscription_rel sr
  join pg_catalog.pg_constraint k on k.conrelid = sr.srrelid
  join pg_catalog.pg_class c on c.oid = sr.srrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where k.contype in ('p', 'u') and k.condeferrable
 order by 1, 2, 3
