-- PostgreSQL's own conflict tables in this database, as pg_subscription names them.
-- returns: subscription, table, its columns in order, whether we may read it
-- one row per subscription that has such a table; privilege: none
select s.oid as subid, s.subname::text as subname,
       pg_catalog.current_database()::text as database,
       n.nspname::text as schemaname, c.relname::text as relname,
       (select pg_catalog.array_agg(a.attname::text order by a.attnum)
          from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE')
           and pg_catalog.has_table_privilege(c.oid, 'SELECT') as readable
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_class c on c.oid = s.subconflictlogrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where s.subdbid = (select oid from pg_catalog.pg_database
                     where datname = pg_catalog.current_database())
   and c.relkind in ('r', 'p')
 order by 1
