-- returns: the subscriptions of all databases
-- one row per subscription; privilege: none
select s.oid as subid, s.subname::text as name, d.datname::text as database,
       s.subenabled as enabled, s.subslotname::text as slot_name
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
