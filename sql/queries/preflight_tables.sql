-- returns: the tables of this database that hold rows of people, with their columns as
--          a text, and whether a publication of $1 (null: any) has them
-- one row per table; privilege: none
select n.nspname::text as schemaname, c.relname::text as relname,
       (select pg_catalog.string_agg(
                   pg_catalog.quote_ident(a.attname) || ' '
                   || pg_catalog.format_type(a.atttypid, a.atttypmod)
                   || case when a.attnotnull then ' not null' else '' end, ', '
                   order by a.attname)
          from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       exists (select from pg_catalog.pg_publication_tables p
                where p.schemaname = n.nspname
                  and (p.tablename = c.relname or exists (
                          -- Published as the partitioned table that it belongs to.
                          select from pg_catalog.pg_partition_ancestors(c.oid) up
                            join pg_catalog.pg_class root on root.oid = up.relid
                           where root.relname = p.tablename
                             and root.relnamespace = n.oid))
                  and ($1::text[] is null or p.pubname = any ($1::text[])))
           as published,
       c.reltuples < 0 as never_analyzed
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r' and c.relpersistence = 'p' and c.oid >= 16384
   and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   -- An extension brings its own.
   and not exists (select from pg_catalog.pg_depend d
                    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      and d.objid = c.oid and d.deptype = 'e')
 order by 1, 2
