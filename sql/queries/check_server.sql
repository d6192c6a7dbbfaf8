-- returns: who and where we are, and which rights the role of this connection has
-- one row; privilege: none
select current_database()::text as database,
       current_user::text as role,
       current_setting('server_version') as version,
       pg_catalog.pg_is_in_recovery() as in_recovery,
       (select r.rolsuper from pg_catalog.pg_roles r
         where r.rolname = current_user) as superuser,
       pg_catalog.pg_has_role('pg_monitor', 'usage') as pg_monitor
