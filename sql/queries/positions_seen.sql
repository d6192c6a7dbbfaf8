-- returns: positions of nodes, in the order in which they were seen
-- one row per position; privilege: SELECT on position_seen
select s.system_identifier, s.subid, s.began, s.ended, s.lsn, s.confirmed,
       s.oldest_xid, s.session
  from pgconflict.position_seen s
 order by s.place
