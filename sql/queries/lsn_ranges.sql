-- returns: which remote LSNs each day of a node's subscriptions can hold
-- one row per subscription and day; privilege: SELECT on lsn_range
select subid, day, min_lsn::text as min_lsn, max_lsn::text as max_lsn
  from pgconflict.lsn_range
 where system_identifier = $1
