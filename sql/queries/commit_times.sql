-- $1: transaction ids, as numbers
-- returns: when each committed here; null where the server does not know any more
-- one row per id; privilege: none; needs track_commit_timestamp = on
select x as xid, pg_catalog.pg_xact_commit_timestamp(x::text::xid) as committed
  from unnest($1::int8[]) as x
