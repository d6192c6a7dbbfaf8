-- returns: triggers of subscribed tables that fire when changes are applied
-- one row per trigger, of this database; privilege: none
select distinct n.nspname::text as schemaname, c.relname::text as relname,
       t.tgname::text as name
  from pg_catalog.pg_subscription_rel sr
  join pg_catalog.pg_trigger t on t.tgrelid = sr.srrelid
  join pg_catalog.pg_class c on c.oid = sr.srrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where t.tgenabled in ('A', 'R') and not t.tgisinternal
 order by 1, 2, 3
