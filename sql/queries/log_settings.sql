-- returns: who the server is and where and how it logs; a setting that the role may
--          not see is null
-- one row; privilege: pg_monitor (or pg_read_all_settings) for log_directory,
--          log_filename and data_directory
-- Setting by setting: pg_settings makes all 400 of them each time, and this is asked
-- every few seconds.
select (select system_identifier from pg_catalog.pg_control_system())
           as system_identifier,
       pg_catalog.current_database()::text as database,
       pg_catalog.current_setting('server_version') as server_version,
       pg_catalog.current_setting('logging_collector') as logging_collector,
       pg_catalog.current_setting('log_destination') as log_destination,
       case when may.see then pg_catalog.current_setting('log_directory') end
           as log_directory,
       case when may.see then pg_catalog.current_setting('log_filename') end
           as log_filename,
       case when may.see then pg_catalog.current_setting('data_directory') end
           as data_directory,
       pg_catalog.current_setting('log_line_prefix') as log_line_prefix,
       pg_catalog.current_setting('log_timezone') as log_timezone,
       pg_catalog.current_setting('log_error_verbosity') as log_error_verbosity,
       pg_catalog.current_setting('lc_messages') as lc_messages,
       (select coalesce(array_agg(distinct substr(c.setting, 13)), '{}')
          from pg_catalog.pg_db_role_setting d
          cross join unnest(d.setconfig) as c(setting)
         where c.setting like 'lc_messages=%') as more_lc_messages,
       (select coalesce(array_agg(distinct pg_catalog.pg_encoding_to_char(d.encoding)
                                  ::text), '{}')
          from pg_catalog.pg_database d
         where exists (select from pg_catalog.pg_subscription s
                        where s.subdbid = d.oid)) as worker_encodings,
       pg_catalog.current_setting('cluster_name') as cluster_name
  from (select pg_catalog.pg_has_role('pg_read_all_settings', 'usage')) as may (see)
