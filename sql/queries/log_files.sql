-- returns: the files of the log directory, with the setting that names it
-- one row per file; privilege: EXECUTE on pg_ls_logdir(), and sight of log_directory
--          (pg_monitor has both)
select name, size, extract(epoch from modification)::float8 as modified,
       pg_catalog.current_setting('log_directory') as directory
  from pg_catalog.pg_ls_logdir()
