-- returns: nothing of use
-- one row per sequence; privilege: UPDATE on each
-- Only in a transaction that holds the sequences' locks.
select pg_catalog.setval(p.oid::pg_catalog.regclass, p.to_value, p.to_called) as value
  from unnest($1::pg_catalog.oid[], $2::bigint[], $3::boolean[])
       as p(oid, to_value, to_called)
