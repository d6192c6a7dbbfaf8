-- returns: tables that are replicated, and partitions of such, whose rows our role can't
--          all read: whether USAGE on the schema or SELECT on a column that is sent is
--          lacking, whether row security is on for it
-- one row per table, of this database; privilege: none
with published as (
    select c.oid, array_agg(distinct a.name) as names
      from pg_catalog.pg_publication_tables t
      join pg_catalog.pg_namespace n on n.nspname = t.schemaname
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
      cross join lateral unnest(t.attnames) as a (name)
     group by c.oid),
replicated as (
    select oid from published
     union
    select srrelid from pg_catalog.pg_subscription_rel),
-- A conflict is logged about the partition, whichever table is subscribed.
looked_at as (
    select oid from replicated
     union
    select p.relid
      from replicated r
      cross join lateral pg_catalog.pg_partition_tree(r.oid) p)
select n.nspname::text as schemaname,
       c.relname::text as relname,
       not u.granted as no_privilege,
       pg_catalog.row_security_active(c.oid) as hides_rows
  from looked_at l
  join pg_catalog.pg_class c on c.oid = l.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join published p on p.oid = c.oid
  cross join lateral (
      select pg_catalog.has_schema_privilege(n.oid, 'USAGE')
             and (pg_catalog.has_table_privilege(c.oid, 'SELECT')
                  or not exists (
                      select from pg_catalog.pg_attribute a
                       where a.attrelid = c.oid and a.attnum > 0
                         and not a.attisdropped and a.attgenerated = ''
                         and a.attname = any (coalesce(p.names, array[a.attname]))
                         and not pg_catalog.has_column_privilege(
                             c.oid, a.attnum, 'SELECT'))) as granted) u
 where c.relkind in ('r', 'p')
   and (not u.granted or pg_catalog.row_security_active(c.oid))
 order by 1, 2
