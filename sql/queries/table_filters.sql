-- $1, $2: schema and table; $3: publications
-- returns: which rows of the table each publishes; null: all
-- one row per publication that has it; privilege: none
select t.rowfilter as filter
  from pg_catalog.pg_publication_tables t
 where t.schemaname = $1::name and t.tablename = $2::name
   and t.pubname = any ($3::name[])
