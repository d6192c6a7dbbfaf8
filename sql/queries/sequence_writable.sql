-- returns: which of these sequences our role owns, and so may lock and set
-- one row per existing sequence; privilege: none
select c.oid,
       pg_catalog.pg_has_role(c.relowner, 'USAGE')
       and pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') as writable
  from pg_catalog.pg_class c
 where c.oid = any ($1::pg_catalog.oid[])
   and c.relkind = 'S'
