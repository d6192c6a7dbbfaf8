-- returns: prepared transactions of all databases, the oldest first
-- one row per transaction; privilege: none
select p.gid, p.database::text as database, p.owner::text as owner, p.prepared
  from pg_catalog.pg_prepared_xacts p
 order by p.prepared
