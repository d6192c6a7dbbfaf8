-- $1: schema; $2: name
-- returns: the sequence's oid
-- one row if it exists; privilege: none
select c.oid
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = $1::text
   and c.relname = $2::text
   and c.relkind = 'S'
