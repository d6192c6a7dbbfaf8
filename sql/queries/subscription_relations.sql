-- returns: how many relations of each subscription are in which state of their
--          initial synchronisation: i, d, f, s, r (pg_subscription_rel.srsubstate)
-- one row per subscription and state, of this database; privilege: none
select r.srsubid as subid, r.srsubstate::text as state, count(*) as relations
  from pg_catalog.pg_subscription_rel r
 group by 1, 2
