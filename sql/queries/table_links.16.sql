-- $1: relation
-- returns: the subscriptions that write to it
-- one row per subscription; privilege: none
select s.oid as subid, s.subname::text as name, s.subslotname::text as slot_name,
       s.subenabled as enabled, s.suborigin as origin, r.srsubstate::text as state
  from pg_catalog.pg_subscription_rel r
  join pg_catalog.pg_subscription s on s.oid = r.srsubid
 where r.srrelid in (select $1::oid
                     union select relid from pg_catalog.pg_partition_ancestors($1))
