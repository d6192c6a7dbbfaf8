-- returns: the tables of this database that a publication or a subscription has: columns
--          with type and NOT NULL, unique indexes and check constraints as their
--          statements have them, and which publications and subscriptions these are
-- one row per table; privilege: none
select n.nspname::text as schemaname, c.relname::text as relname,
       (select array_agg(a.attname::text order by a.attnum)
          from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod)
                         order by a.attnum)
          from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as types,
       (select array_agg(a.attnotnull order by a.attnum)
          from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as not_null,
       (select coalesce(array_agg(d.text order by d.text), '{}')
          from pg_catalog.pg_index i
         cross join lateral (
             select substring(pg_catalog.pg_get_indexdef(i.indexrelid)
                              from ' USING .*') as text) d
         where i.indrelid = c.oid and i.indisunique) as uniques,
       (select coalesce(array_agg(pg_catalog.pg_get_constraintdef(k.oid)
                                  order by k.conname), '{}')
          from pg_catalog.pg_constraint k
         where k.conrelid = c.oid and k.contype = 'c') as checks,
       (select coalesce(array_agg(distinct p.pubname::text), '{}')
          from pg_catalog.pg_publication_tables p
         where p.schemaname = n.nspname and p.tablename = c.relname) as publications,
       (select coalesce(array_agg(s.subname::text), '{}')
          from pg_catalog.pg_subscription_rel r
          join pg_catalog.pg_subscription s on s.oid = r.srsubid
         where r.srrelid = c.oid) as subscriptions
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and c.oid >= 16384 and n.nspname !~ '^pg_'
 order by 1, 2
