-- returns: positions of nodes, in the order in which they were seen; of what is older
--          than a quarter of an hour two a second
-- one row per position; privilege: SELECT on position_seen
select s.system_identifier, s.subid, s.up_since,
       u.began, u.ended, u.lsn, u.confirmed, u.oldest_xid
  from pgconflict.position_seen s
 cross join unnest(s.began, s.ended, s.lsn, s.confirmed, s.oldest_xid)
                with ordinality as u (began, ended, lsn, confirmed, oldest_xid, n)
 where s.until > now() - interval '15 minutes' or u.ended = s.until
 order by s.place, u.n
