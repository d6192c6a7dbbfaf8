-- returns: columns of child tables that may be null where the parent's may not
-- one row per column; privilege: none
select n.nspname::text as schemaname, c.relname::text as relname,
       child.attname::text as attname
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_attribute parent
    on parent.attrelid = i.inhparent and parent.attnum > 0 and parent.attnotnull
   and not parent.attisdropped
  join pg_catalog.pg_attribute child
    on child.attrelid = i.inhrelid and child.attname = parent.attname
   and not child.attnotnull
  join pg_catalog.pg_class c on c.oid = child.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 group by 1, 2, 3
 order by 1, 2, 3
