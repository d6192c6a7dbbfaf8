-- $1: relation
-- returns: foreign keys of the table and to it, which nothing checks when a row is
--          written as apply does; types are those of the columns referred to
-- one row per constraint; privilege: none
select c.conname::text as name, c.conrelid = $1 as outgoing,
       n.nspname::text as schemaname, r.relname::text as relname,
       array(select a.attname::text
               from unnest(c.conkey) with ordinality k (number, place)
               join pg_catalog.pg_attribute a
                 on a.attrelid = c.conrelid and a.attnum = k.number
              order by k.place) as columns,
       array(select a.attname::text
               from unnest(c.confkey) with ordinality k (number, place)
               join pg_catalog.pg_attribute a
                 on a.attrelid = c.confrelid and a.attnum = k.number
              order by k.place) as referred,
       array(select pg_catalog.format_type(a.atttypid, a.atttypmod)
               from unnest(c.confkey) with ordinality k (number, place)
               join pg_catalog.pg_attribute a
                 on a.attrelid = c.confrelid and a.attnum = k.number
              order by k.place) as types
  from pg_catalog.pg_constraint c
  join pg_catalog.pg_class r
    on r.oid = case when c.conrelid = $1 then c.confrelid else c.conrelid end
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
 where c.contype = 'f' and $1 in (c.conrelid, c.confrelid) and c.conparentid = 0
 order by c.conname
