-- returns: names of the extensions that can be created on this server
-- one row per extension; privilege: none
select a.name::text as name from pg_catalog.pg_available_extensions a
