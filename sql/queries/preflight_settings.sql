-- returns: settings of the server, in their own units; those it has not are left out
-- $1 names
-- one row per setting; privilege: none for these
select s.name, s.setting as value
  from pg_catalog.pg_settings s
 where s.name = any ($1::text[])
