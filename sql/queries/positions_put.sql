-- Records positions that were seen, and forgets old ones. Arrays of one length, an
-- element a position: $1 system identifier, $2 subscription (null: the node's own WAL),
-- $3 the node's clock before, $4 after, $5 LSN, $6 confirmed before, $7 oldest
-- transaction, $8 session; $9: nodes whose clock was set back: nothing of them counts
-- returns: nothing
-- privilege: INSERT, DELETE on position_seen
with gone as (
    delete from pgconflict.position_seen s
     where s.system_identifier = any ($9::int8[])
        or s.place in (select o.place from pgconflict.position_seen o
                        where o.ended < now() - interval '6 hours'
                        order by o.place limit 100)
    returning 1)
insert into pgconflict.position_seen
       (system_identifier, subid, began, ended, lsn, confirmed, oldest_xid, session)
select * from unnest($1::int8[], $2::int8[], $3::timestamptz[], $4::timestamptz[],
                     $5::int8[], $6::int8[], $7::int8[], $8::timestamptz[])
