-- Takes conflicts that nobody has looked at, in the order of their numbers; and what
-- `verify` has found to differ, which is looked at again until it heals.
-- $1: at most so many
-- returns: a number per conflict taken
-- privilege: SELECT on conflict_log; SELECT, INSERT on verdict_due; UPDATE on
--          verdict_position
with young as (
    select c.conflict_id, c.first_logged_at, c.node, c.subname, c.ingested_at,
           (c.verdict is null
                or (c.kind = 'difference' and c.verdict = 'diverged'))
               and not exists (select from pgconflict.verdict_due d
                                where d.conflict_id = c.conflict_id) as unseen
      from pgconflict.conflict_log c
     where c.conflict_id > (select p.conflict_id from pgconflict.verdict_position p)
     order by c.conflict_id
     limit 20 * $1::bigint),
found as (
    select * from young where unseen order by conflict_id limit $1),
taken as (
    insert into pgconflict.verdict_due (conflict_id, first_logged_at, node, subname)
    select f.conflict_id, f.first_logged_at, f.node, f.subname from found f
        on conflict do nothing
    returning 1),
moved as (
    -- Transactions end in any order: what is young may still get neighbours below.
    update pgconflict.verdict_position p
       set conflict_id = m.top
      from (select max(y.conflict_id) as top from young y
             where y.ingested_at < now() - interval '1 minute'
               and y.conflict_id <= coalesce(
                   (select max(f.conflict_id) from found f having count(*) >= $1),
                   y.conflict_id)) m
     where m.top > p.conflict_id
    returning 1)
select 1 as taken from taken
