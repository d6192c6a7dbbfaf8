-- returns: the server's clock, seconds since 1970
-- one row; privilege: none
select extract(epoch from pg_catalog.clock_timestamp())::float8 as clock
