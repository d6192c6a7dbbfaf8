-- returns: the databases that people use, and whether our role may connect to each
-- one row per database but template0; privilege: none
select d.datname::text as name,
       d.datallowconn and pg_catalog.has_database_privilege(d.oid, 'connect') as open
  from pg_catalog.pg_database d
 where d.datname <> 'template0'
 order by d.datname
