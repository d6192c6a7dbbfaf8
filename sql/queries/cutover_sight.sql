-- returns: whether our role sees what other sessions do; how many there are
-- one row; privilege: none
select pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') as sees_sessions,
       (select pg_catalog.count(*)
          from pg_catalog.pg_stat_activity a
         where a.datname = pg_catalog.current_database()
           and a.backend_type = 'client backend'
           and coalesce(a.application_name, '') not like 'pgconflict/%') as sessions
