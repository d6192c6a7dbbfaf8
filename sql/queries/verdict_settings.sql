-- returns: since when the server knows commit times without a gap; null where it does
--          not keep them (the setting needs a restart: it holds since the last one);
--          every value of log_min_messages that an apply worker may have, and of the
--          settings by which it prints times
-- one row; privilege: none
select case when pg_catalog.current_setting('track_commit_timestamp') = 'on'
            then pg_catalog.pg_postmaster_start_time() end as commits_since,
       array[pg_catalog.current_setting('log_min_messages')] || array(
           select pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1)
             from pg_catalog.pg_db_role_setting s
            cross join unnest(s.setconfig) as entry
            where entry like 'log\_min\_messages=%') as log_levels,
       array(
           -- Not as this session has them.
           select pg_catalog.lower(s.name) || '=' || s.reset_val
             from pg_catalog.pg_settings s
            where pg_catalog.lower(s.name) in ('datestyle', 'timezone')
           union all
           select pg_catalog.lower(pg_catalog.split_part(entry, '=', 1)) || '='
                  || pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1)
             from pg_catalog.pg_db_role_setting s
            cross join unnest(s.setconfig) as entry
            where entry ~* '^(datestyle|timezone)=') as time_settings
