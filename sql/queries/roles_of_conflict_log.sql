-- Roles that `pgconflict init --reader` or `--writer` was for: they have a right on
-- every table. Who was given less by hand is not among them.
-- returns: rolname, whether it writes; one row per role; privilege: none
with tables as (
    select c.oid, c.relowner, c.relacl
      from pg_catalog.pg_class c
     where c.relnamespace = 'pgconflict'::pg_catalog.regnamespace
       and c.relkind in ('r', 'p') and not c.relispartition
       and c.relname <> 'digest_key')
select r.rolname,
       count(*) filter (where a.privilege_type = 'INSERT')
           = (select count(*) from tables) as writes
  from tables t
 cross join lateral pg_catalog.aclexplode(t.relacl) a
  join pg_catalog.pg_roles r on r.oid = a.grantee
 where a.grantee <> t.relowner
 group by r.rolname
having count(*) filter (where a.privilege_type = 'SELECT')
           = (select count(*) from tables)
 order by r.rolname
