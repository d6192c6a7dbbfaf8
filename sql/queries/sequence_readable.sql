-- returns: which of these sequences still exist, and may be read directly
-- one row per existing sequence; privilege: none
select c.oid,
       pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
       and pg_catalog.has_sequence_privilege(c.oid, 'SELECT') as readable
  from pg_catalog.pg_class c
 where c.oid = any ($1::pg_catalog.oid[])
   and c.relkind = 'S'
