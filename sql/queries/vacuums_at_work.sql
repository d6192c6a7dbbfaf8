-- returns: the tables of this database on which a vacuum is at work; TOAST tables too
-- one row per table; privilege: none
select v.relid
  from pg_catalog.pg_stat_progress_vacuum v
 where v.datname = pg_catalog.current_database()
