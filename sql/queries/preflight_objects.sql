-- returns: how much this database has of what logical replication does not carry
-- one row; privilege: none
select (select count(*) from pg_catalog.pg_largeobject_metadata) as large_objects,
       count(*) filter (where c.relkind = 'm') as materialized_views,
       count(*) filter (where c.relpersistence = 'u' and c.relkind in ('r', 'p'))
           as unlogged_tables,
       count(*) filter (where c.relpersistence = 'u' and c.relkind = 'S')
           as unlogged_sequences
  from pg_catalog.pg_class c
 where c.oid >= 16384
