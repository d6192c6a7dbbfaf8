-- returns: extensions of this database, and whether their code is a library
-- one row per extension; privilege: none
select e.extname::text as name, e.extversion as version,
       exists (select from pg_catalog.pg_depend d
                 join pg_catalog.pg_proc p on p.oid = d.objid
                where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                  and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                  and d.refobjid = e.oid and d.deptype = 'e' and p.probin is not null)
           as library
  from pg_catalog.pg_extension e
 order by e.extname
