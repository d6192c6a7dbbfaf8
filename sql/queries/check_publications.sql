-- returns: tables that a publication of this database publishes in part: columns that
--          it leaves out, its row filter; none publishes generated columns
-- one row per publication and table; privilege: none
select t.pubname::text as publication, t.schemaname::text as schemaname,
       t.tablename::text as relname, c.missing, c.generated,
       t.rowfilter as row_filter, p.puballtables as all_tables
  from pg_catalog.pg_publication_tables t
  join pg_catalog.pg_publication p on p.pubname = t.pubname
  join pg_catalog.pg_namespace n on n.nspname = t.schemaname
  join pg_catalog.pg_class r on r.relnamespace = n.oid and r.relname = t.tablename
  cross join lateral (
      select coalesce(array_agg(a.attname::text order by a.attnum)
                 filter (where a.attgenerated = ''
                           and a.attname <> all (t.attnames)), '{}') as missing,
             '{}'::text[] as generated
        from pg_catalog.pg_attribute a
       where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped) c
 where t.rowfilter is not null or c.missing <> '{}' or c.generated <> '{}'
 order by 1, 2, 3
