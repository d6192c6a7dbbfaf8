-- $1: relation
-- returns: its unique indexes; columns are null where an expression or a predicate
--          decides, or a deferrable constraint, which apply does not look at
-- one row per index; privilege: none
select c.relname::text as name,
       case when i.indexprs is null and i.indpred is null then
           array(select a.attname::text
                   from unnest(i.indkey) with ordinality as k (attnum, place)
                   join pg_catalog.pg_attribute a
                     on a.attrelid = i.indrelid and a.attnum = k.attnum
                  where k.place <= i.indnkeyatts
                  order by k.place)
       end as columns
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
 where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indimmediate
 order by i.indisreplident desc, i.indisprimary desc, c.oid
