-- returns: subscribed tables without primary key or replica identity index; whether
--          they have another unique index that apply would check
-- one row per table, of this database; privilege: none
select n.nspname::text as schemaname,
       c.relname::text as relname,
       bool_or(coalesce(i.indisunique and i.indimmediate and i.indisvalid, false))
           as has_unique
  from pg_catalog.pg_subscription_rel r
  join pg_catalog.pg_class c on c.oid = r.srrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_index i on i.indrelid = c.oid
 where c.relkind in ('r', 'p')
 group by n.nspname, c.relname, c.oid
having not bool_or(coalesce(
           i.indisprimary and i.indimmediate or i.indisreplident, false))
 order by 1, 2
