-- returns: tables of this database whose subscription has not copied them to the end:
--          state i, d, f or s
-- one row per table; privilege: none
select s.subname::text as subscription, n.nspname::text as schemaname,
       c.relname::text as relname, r.srsubstate::text as state
  from pg_catalog.pg_subscription_rel r
  join pg_catalog.pg_subscription s on s.oid = r.srsubid
  join pg_catalog.pg_class c on c.oid = r.srrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where r.srsubstate <> 'r'
 order by 1, 2, 3
