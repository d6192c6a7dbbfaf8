-- returns: which of these sequences still exist, and may be read directly
-- one row per existing sequence; privilege: none
-- The function gives null for what was dropped since the statement's snapshot.
select c.oid,
       pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
       and p.may_select as readable
  from pg_catalog.pg_class c
 cross join lateral (
    select pg_catalog.has_sequence_privilege(c.oid, 'SELECT') as may_select offset 0) p
 where c.oid = any ($1::pg_catalog.oid[])
   and c.relkind = 'S'
   and p.may_select is not null
