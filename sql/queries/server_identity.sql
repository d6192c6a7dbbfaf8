-- returns: what tells this database from every other one
-- one row; privilege: none
select s.system_identifier, d.oid as datid
  from pg_catalog.pg_control_system() s, pg_catalog.pg_database d
 where d.datname = pg_catalog.current_database()
