-- Ends the workers of a subscription.
-- $1 its oid
-- returns: whether each was told; one row per worker; privilege: member of the
-- subscription's owner, or pg_signal_backend where that is no superuser
select pg_catalog.pg_terminate_backend(w.pid) as told
  from pg_catalog.pg_stat_subscription w
 where w.subid = $1::oid and w.pid is not null
