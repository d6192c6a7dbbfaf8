-- $1, $2: schema and table
-- returns: whether a publication of this database has the table
-- one row; privilege: none
select exists (select from pg_catalog.pg_publication_tables t
                where t.schemaname = $1::name and t.tablename = $2::name) as published
