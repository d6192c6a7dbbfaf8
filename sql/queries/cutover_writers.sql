-- returns: what writes, or may write, in this database: sessions with a transaction id,
--          prepared transactions
-- one row per session and prepared transaction; privilege: pg_read_all_stats
select 'pid ' || a.pid || ' (' || coalesce(a.usename, '?') || ', '
       || coalesce(nullif(a.application_name, ''), 'no application_name') || ', '
       || coalesce(a.state, '?') || '), transaction since '
       || coalesce(pg_catalog.to_char(a.xact_start, 'HH24:MI:SS'), '?') as writer
  from pg_catalog.pg_stat_activity a
 where a.datname = pg_catalog.current_database()
   and a.backend_type = 'client backend'
   and a.backend_xid is not null
   and a.pid <> pg_catalog.pg_backend_pid()
union all
select 'prepared transaction ' || p.gid || ' of ' || p.owner
  from pg_catalog.pg_prepared_xacts p
 where p.database = pg_catalog.current_database()
