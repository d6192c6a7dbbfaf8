-- returns: settings that ALTER ROLE or ALTER DATABASE gave to sessions to come
-- one row per setting; database or role null: for all; privilege: none
select d.datname::text as database,
       r.rolname::text as role,
       pg_catalog.split_part(entry, '=', 1) as name,
       pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) as value
  from pg_catalog.pg_db_role_setting s
 cross join unnest(s.setconfig) as entry
  left join pg_catalog.pg_database d on d.oid = s.setdatabase
  left join pg_catalog.pg_roles r on r.oid = s.setrole
