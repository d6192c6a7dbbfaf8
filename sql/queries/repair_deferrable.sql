-- $1: relation
-- returns: its unique indexes and exclusion constraints that are deferrable, which are
--          not enforced when a row is written as apply does: what is compared and how;
--          columns are null where an expression or a predicate has a say
-- one row per index; privilege: none
select c.relname::text as name, i.indnullsnotdistinct as nulls_too,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate,
       array(select pg_catalog.pg_get_indexdef(i.indexrelid, place, false)
               from generate_series(1, i.indnkeyatts::int) place
              order by place) as parts,
       array(select pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname)
               from unnest(i.indclass) with ordinality k (opclass, place)
               join pg_catalog.pg_opclass f on f.oid = k.opclass
               left join pg_catalog.pg_amop s
                 on s.amopfamily = f.opcfamily and s.amopstrategy = 3
                and s.amoplefttype = f.opcintype and s.amoprighttype = f.opcintype
               join pg_catalog.pg_operator o
                 on o.oid = coalesce(x.conexclop[k.place], s.amopopr)
               join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
              where k.place <= i.indnkeyatts
              order by k.place) as operators,
       case when i.indexprs is null and i.indpred is null then
           array(select a.attname::text
                   from unnest(i.indkey) with ordinality k (attnum, place)
                   join pg_catalog.pg_attribute a
                     on a.attrelid = i.indrelid and a.attnum = k.attnum
                  where k.place <= i.indnkeyatts)
       end as columns
  from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  join pg_catalog.pg_constraint x on x.conindid = i.indexrelid and x.contype in ('p', 'u', 'x')
 where i.indrelid = $1 and not i.indimmediate
 order by c.relname
