-- returns: what the server still has of a subscription; $1 its oid
-- one row per thing; privilege: none
select 'subscription' as kind, s.subname::text as name
  from pg_catalog.pg_subscription s where s.oid = $1::oid
union all
select 'table state', r.srrelid::regclass::text
  from pg_catalog.pg_subscription_rel r where r.srsubid = $1::oid
union all
select 'replication origin', o.roname
  from pg_catalog.pg_replication_origin o
 -- Of table copies: pg_<subscription>_<table>.
 where o.roname ~ ('^pg_' || $1::oid || '(_[0-9]+)?$')
union all
select 'worker', w.pid::text
  from pg_catalog.pg_stat_subscription w
 where w.subid = $1::oid and w.pid is not null
