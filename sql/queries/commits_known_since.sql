-- returns: since when the server knows commit times without a gap; null where it does
--          not keep them. The setting needs a restart: it holds since the last one
-- one row; privilege: none
select case when pg_catalog.current_setting('track_commit_timestamp') = 'on'
            then pg_catalog.pg_postmaster_start_time() end as since
