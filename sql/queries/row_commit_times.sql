-- $1: xids as text
-- returns: when each committed, by the clock of the node that wrote it; null where not
--          known
-- one row per xid, in their order; privilege: none
select case when pg_catalog.current_setting('track_commit_timestamp') = 'on'
            then pg_catalog.pg_xact_commit_timestamp(x.xid::xid) end as committed
  from unnest($1::text[]) with ordinality x (xid, place)
 order by x.place
