-- returns: prepared transactions, and when the oldest was prepared: it may hold locks
--          that apply waits for, and keeps slots from letting go of WAL
-- one row per database with a subscription or a logical slot; privilege: none
select d.datname::text as database, count(p.gid) as number, min(p.prepared) as oldest
  from pg_catalog.pg_database d
  left join pg_catalog.pg_prepared_xacts p on p.database = d.datname
 where exists (select from pg_catalog.pg_subscription s where s.subdbid = d.oid)
    or exists (select from pg_catalog.pg_replication_slots s where s.datoid = d.oid)
 group by d.datname
