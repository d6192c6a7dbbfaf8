-- $1: transaction ids, as numbers
-- returns: when each committed here; null where the server does not know any more
-- one row per id; privilege: none
select x as xid,
       -- Asked where no times are kept it is an error.
       case when pg_catalog.current_setting('track_commit_timestamp') = 'on'
            then pg_catalog.pg_xact_commit_timestamp(x::text::xid) end as committed
  from unnest($1::int8[]) as x
