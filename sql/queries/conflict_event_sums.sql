-- Events of which more than one conflict passes the filters.
-- $1..$11: conflict_filters.sql
-- returns: effect of the conflicts, or of the whole event, which is its worst; null: not
--     decided; conflicts; events
-- one row per effect of conflicts, one per effect of events; privilege: SELECT on
-- conflict_log, conflict_event
with member as (
    select m.event_id, coalesce(c.effect, 'undecided') as effect,
           array_position(array['apply_stopped', 'diverged', 'write_lost', 'unknown',
                                'undecided', 'none'],
                          coalesce(c.effect, 'undecided')) as harm,
           count(*) over (partition by m.event_id) as members
      from pgconflict.conflict_event m
      join pgconflict.conflict_log c
        on c.first_logged_at = m.first_logged_at and c.conflict_id = m.conflict_id
     where ($1::timestamptz is null or m.first_logged_at >= $1)
       and ($2::timestamptz is null or m.first_logged_at < $2)
       and {filters})
select effect, count(*) as conflicts, 0::bigint as events
  from member where members > 1 group by effect
union all
select effect, 0, count(*)
  from (select distinct on (event_id) event_id, effect
          from member where members > 1 order by event_id, harm) worst
 group by effect
