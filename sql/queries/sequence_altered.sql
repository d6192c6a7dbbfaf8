-- returns: sequences whose row of pg_class this transaction has written
-- one row per such sequence; privilege: none
select c.oid
  from pg_catalog.pg_class c
 where c.oid = any ($1::pg_catalog.oid[])
   and c.xmin = pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.xid
