-- returns: whether pg_subscription names each subscription's conflict log table
-- one row; privilege: none
select exists (
    select from pg_catalog.pg_attribute
     where attrelid = 'pg_catalog.pg_subscription'::pg_catalog.regclass
       and attname = 'subconflictlogrelid' and not attisdropped) as named
