-- Records positions that were seen, and forgets old ones. Arrays of one length, an
-- element a position: $1 system identifier, $2 subscription (null: the node's own WAL),
-- $3 the node's clock before, $4 after, $5 LSN, $6 confirmed before, $7 oldest
-- transaction, $8 since when it is up; $9: nodes whose clock was set back: nothing of
-- them counts
-- returns: nothing
-- privilege: INSERT, DELETE on position_seen
with gone as (
    delete from pgconflict.position_seen s
     where s.system_identifier = any ($9::int8[])
        or s.place in (select o.place from pgconflict.position_seen o
                        where o.until < now() - interval '6 hours'
                        order by o.place limit 100)
    returning 1)
insert into pgconflict.position_seen
       (system_identifier, subid, up_since, until,
        began, ended, lsn, confirmed, oldest_xid)
select u.system_identifier, u.subid, u.up_since, max(u.ended),
       array_agg(u.began order by u.n), array_agg(u.ended order by u.n),
       array_agg(u.lsn order by u.n), array_agg(u.confirmed order by u.n),
       array_agg(u.oldest_xid order by u.n)
  from unnest($1::int8[], $2::int8[], $3::timestamptz[], $4::timestamptz[],
              $5::int8[], $6::int8[], $7::int8[], $8::timestamptz[])
           with ordinality as u (system_identifier, subid, began, ended,
                                 lsn, confirmed, oldest_xid, up_since, n)
 group by u.system_identifier, u.subid, u.up_since
 order by max(u.n)
