-- returns: subscriptions that should retain dead rows and stopped it; none before 19
-- one row per subscription; privilege: none
select s.oid as subid
  from pg_catalog.pg_subscription s
 where false
