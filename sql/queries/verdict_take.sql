-- Takes conflicts that nobody has looked at, in the order of their numbers.
-- $1: at most so many
-- returns: a number per conflict taken
-- privilege: SELECT on conflict_log; SELECT, INSERT on verdict_due; UPDATE on
--          verdict_position
with found as (
    select c.conflict_id, c.first_logged_at, c.node, c.subname, c.ingested_at
      from pgconflict.conflict_log c
     where c.conflict_id > (select p.conflict_id from pgconflict.verdict_position p)
     order by c.conflict_id
     limit $1),
taken as (
    insert into pgconflict.verdict_due (conflict_id, first_logged_at, node, subname)
    select f.conflict_id, f.first_logged_at, f.node, f.subname from found f
        on conflict do nothing
    returning 1),
moved as (
    -- Transactions end in any order: what is young may still get neighbours below.
    update pgconflict.verdict_position p
       set conflict_id = m.top
      from (select max(conflict_id) as top from found
             where ingested_at < now() - interval '1 minute') m
     where m.top > p.conflict_id
    returning 1)
select 1 as taken from taken
