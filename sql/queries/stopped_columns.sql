-- $1: relation
-- returns: its columns that the server gives another value each time: identity, and
--          defaults that call a function
-- one row per column; privilege: none
select a.attname::text as name,
       case when a.attidentity <> '' then 'identity'
            else pg_catalog.pg_get_expr(d.adbin, d.adrelid) end as gives
  from pg_catalog.pg_attribute a
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
   and a.attgenerated = ''
   and (a.attidentity <> ''
        or pg_catalog.pg_get_expr(d.adbin, d.adrelid) like '%(%')
 order by a.attnum
