-- returns: who the server is and where and how it logs; a setting that the role may
--          not see is null
-- one row; privilege: pg_monitor (or pg_read_all_settings) for log_directory,
--          log_filename and data_directory
select (select system_identifier from pg_catalog.pg_control_system())
           as system_identifier,
       pg_catalog.current_database()::text as database,
       max(setting) filter (where name = 'server_version') as server_version,
       max(setting) filter (where name = 'logging_collector') as logging_collector,
       max(setting) filter (where name = 'log_destination') as log_destination,
       max(setting) filter (where name = 'log_directory') as log_directory,
       max(setting) filter (where name = 'log_filename') as log_filename,
       max(setting) filter (where name = 'data_directory') as data_directory,
       max(setting) filter (where name = 'log_line_prefix') as log_line_prefix,
       max(setting) filter (where name = 'log_timezone') as log_timezone,
       max(setting) filter (where name = 'log_error_verbosity')
           as log_error_verbosity,
       max(setting) filter (where name = 'lc_messages') as lc_messages,
       (select coalesce(array_agg(distinct substr(c.setting, 13)), '{}')
          from pg_catalog.pg_db_role_setting d
          cross join unnest(d.setconfig) as c(setting)
         where c.setting like 'lc_messages=%') as more_lc_messages,
       (select coalesce(array_agg(distinct pg_catalog.pg_encoding_to_char(d.encoding)
                                  ::text), '{}')
          from pg_catalog.pg_database d
         where exists (select from pg_catalog.pg_subscription s
                        where s.subdbid = d.oid)) as worker_encodings,
       max(setting) filter (where name = 'cluster_name') as cluster_name
  from pg_catalog.pg_settings
 where name in ('server_version', 'logging_collector', 'log_destination',
                'log_directory', 'log_filename', 'data_directory',
                'log_line_prefix', 'log_timezone', 'log_error_verbosity',
                'lc_messages', 'cluster_name')
