-- returns: how many sequences the database has, about
-- one row; privilege: none
select pg_catalog.count(*) as sequences from pg_catalog.pg_sequence
