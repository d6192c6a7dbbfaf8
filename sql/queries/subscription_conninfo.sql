-- returns: a subscription's connection string; null where a server of its own has it
-- $1 its oid
-- one row; privilege: SELECT on pg_subscription.subconninfo, which superusers have
select s.subconninfo as conninfo
  from pg_catalog.pg_subscription s
 where s.oid = $1::oid
