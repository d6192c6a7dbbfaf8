-- returns: the columns that draw their values from sequences, by ownership or default
-- one row per sequence and column; privilege: none
with columns as (
    select d.objid as seqrelid,
           d.refobjid as relid,
           d.refobjsubid::smallint as attnum,
           d.deptype = 'i' as identity,
           true as owns
      from pg_catalog.pg_depend d
     where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
       and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       and d.objsubid = 0
       and d.refobjsubid > 0
       and d.deptype in ('a', 'i')
    union all
    -- A partition's default is its parent's, and the parent has all rows.
    select d.refobjid, f.adrelid, f.adnum, false, false
      from pg_catalog.pg_depend d
      join pg_catalog.pg_attrdef f on f.oid = d.objid
      join pg_catalog.pg_class t on t.oid = f.adrelid and not t.relispartition
     where d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
       and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
       and d.deptype = 'n'
       and not exists (
           select
             from pg_catalog.pg_depend o
            where o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
              and o.objid = d.refobjid
              and o.objsubid = 0
              and o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
              and o.refobjid = f.adrelid
              and o.refobjsubid = f.adnum
              and o.deptype in ('a', 'i'))
)
select c.seqrelid,
       n.nspname,
       t.relname,
       a.attname,
       pg_catalog.format_type(
           case when y.typtype = 'd' then y.typbasetype else y.oid end, null),
       c.identity,
       c.owns,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       and pg_catalog.has_column_privilege(t.oid, c.attnum, 'SELECT')
       -- With row security our role would see some rows only, without a word.
       and not pg_catalog.row_security_active(t.oid)
  from columns c
  join pg_catalog.pg_class s on s.oid = c.seqrelid and s.relkind = 'S'
  join pg_catalog.pg_class t on t.oid = c.relid and t.relkind in ('r', 'p')
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = c.attnum
  join pg_catalog.pg_type y on y.oid = a.atttypid
 where s.relpersistence <> 't'
   and ($1::text[] is null or s.relnamespace in (
       select m.oid from pg_catalog.pg_namespace m where m.nspname = any ($1::text[])))
 order by c.seqrelid, c.owns desc, n.nspname, t.relname, a.attname
