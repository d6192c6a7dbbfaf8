-- returns: sequences that PostgreSQL itself is copying at this moment (19 and later)
-- one row per sequence; privilege: none
select r.srrelid as oid
  from pg_catalog.pg_subscription_rel r
  join pg_catalog.pg_class c on c.oid = r.srrelid and c.relkind = 'S'
 where r.srsubstate <> 'r'
