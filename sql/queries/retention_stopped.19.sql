-- returns: subscriptions that should retain dead rows and stopped it, because that took
--          longer than their max_retention_duration
-- one row per subscription; privilege: none
select s.oid as subid
  from pg_catalog.pg_subscription s
 where s.subretaindeadtuples and not s.subretentionactive
