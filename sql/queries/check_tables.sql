-- returns: the tables of this database: columns with type and NOT NULL, unique indexes
--          and check constraints as their statements have them, which publications and
--          subscriptions have them, and which columns the publications
-- one row per table; privilege: none
with published as materialized (
    -- Once: the view looks at every table of a publication each time.
    select p.schemaname, p.tablename,
           array_agg(distinct p.pubname::text) as publications,
           array_agg(distinct a.name::text) as published
      from pg_catalog.pg_publication_tables p
     cross join lateral unnest(p.attnames) as a(name)
     group by p.schemaname, p.tablename)
select n.nspname::text as schemaname, c.relname::text as relname,
       a.columns, a.types, a.not_null,
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
       coalesce(p.publications, '{}') as publications,
       coalesce(p.published, '{}') as published,
       (select coalesce(array_agg(s.subname::text), '{}')
          from pg_catalog.pg_subscription_rel r
          join pg_catalog.pg_subscription s on s.oid = r.srsubid
         where r.srrelid = c.oid) as subscriptions
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join published p on p.schemaname = n.nspname and p.tablename = c.relname
  cross join lateral (
      select coalesce(array_agg(a.attname::text order by a.attnum), '{}') as columns,
             coalesce(array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod)
                                order by a.attnum), '{}') as types,
             coalesce(array_agg(a.attnotnull order by a.attnum), '{}') as not_null
        from pg_catalog.pg_attribute a
       where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) a
 where c.relkind in ('r', 'p') and c.oid >= 16384 and n.nspname !~ '^pg_'
 order by 1, 2
