-- returns: sessions that hold locks on sequences
-- one row per sequence and session; privilege: pg_read_all_stats to see what they do
select l.relation as oid,
       l.pid,
       coalesce(a.usename, '?') as usename,
       coalesce(a.application_name, '?') as application_name,
       coalesce(a.state, '?') as state,
       a.xact_start
  from pg_catalog.pg_locks l
  left join pg_catalog.pg_stat_activity a on a.pid = l.pid
 where l.relation = any ($1::pg_catalog.oid[])
   and l.database = (select d.oid from pg_catalog.pg_database d
                      where d.datname = pg_catalog.current_database())
   and l.locktype = 'relation'
   and l.granted
   and l.mode <> 'AccessShareLock'
   and l.pid is distinct from pg_catalog.pg_backend_pid()
 order by l.relation, l.pid
