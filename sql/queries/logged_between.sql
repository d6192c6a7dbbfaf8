-- $1: system identifier; $2, $3: from when until before when
-- returns: how many log entries of each conflict are recorded, by second of logging
-- one row per second and conflict
-- privilege: SELECT on conflict_log, conflict_attempt
select pg_catalog.date_trunc('second', e.logged_at, 'UTC') as second, e.identity,
       count(*) as entries
  from (select first_logged_at as logged_at, identity
          from pgconflict.conflict_log
         where system_identifier = $1 and source <> 'native'
           and first_logged_at >= $2 and first_logged_at < $3
        union all
        select logged_at, identity
          from pgconflict.conflict_attempt
         where system_identifier = $1 and logged_at >= $2 and logged_at < $3) e
 group by 1, 2
