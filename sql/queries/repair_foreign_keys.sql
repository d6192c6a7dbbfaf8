-- $1: relation
-- returns: foreign keys of the table and to it, which nothing checks when a row is
--          written as apply does; types are those of the columns referred to,
--          and operators compare these with the others
-- one row per constraint, two where the table refers to itself; privilege: none
select c.conname::text as name, way.outgoing,
       n.nspname::text as schemaname, r.relname::text as relname,
       array(select a.attname::text
               from unnest(c.conkey) with ordinality k (number, place)
               join pg_catalog.pg_attribute a
                 on a.attrelid = c.conrelid and a.attnum = k.number
              order by k.place) as columns,
       array(select a.attname::text
               from unnest(c.confkey) with ordinality k (number, place)
               join pg_catalog.pg_attribute a
                 on a.attrelid = c.confrelid and a.attnum = k.number
              order by k.place) as referred,
       array(select pg_catalog.format_type(a.atttypid, a.atttypmod)
               from unnest(c.confkey) with ordinality k (number, place)
               join pg_catalog.pg_attribute a
                 on a.attrelid = c.confrelid and a.attnum = k.number
              order by k.place) as types,
       -- An extension's type is compared in a schema of its own.
       array(select pg_catalog.format('OPERATOR(%I.%s)', s.nspname, o.oprname)
               from unnest(c.conpfeqop) with ordinality k (operator, place)
               join pg_catalog.pg_operator o on o.oid = k.operator
               join pg_catalog.pg_namespace s on s.oid = o.oprnamespace
              order by k.place) as operators
  from pg_catalog.pg_constraint c
  left join pg_catalog.pg_constraint parent on parent.oid = c.conparentid
 cross join (values (true), (false)) way (outgoing)
  join pg_catalog.pg_class r
    on r.oid = case when way.outgoing then c.confrelid else c.conrelid end
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
 where c.contype = 'f'
   -- A column of 18 and later.
   and pg_catalog.to_jsonb(c) ->> 'conenforced' is distinct from 'false'
   -- A partition has its parent's constraints as its own; those that the parent has to
   -- or from each partition at the other end are parts of one.
   and case when way.outgoing
            then c.conrelid = $1 and parent.conrelid is distinct from $1
            else c.confrelid = $1 and parent.confrelid is distinct from $1 end
 order by c.conname, way.outgoing desc
