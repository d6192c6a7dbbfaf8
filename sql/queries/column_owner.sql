-- $1: schema; $2: table; $3: column
-- returns: the owner of the table that has this column
-- one row if it exists; privilege: none
select pg_catalog.pg_get_userbyid(c.relowner) as owner
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and not a.attisdropped
 where n.nspname = $1::text
   and c.relname = $2::text
   and a.attname = $3::text
   and a.attnum > 0
   and c.relkind in ('r', 'p')
