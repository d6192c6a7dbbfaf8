-- returns: whether the role of this connection may use each object we read with
-- one row; privilege: none
select pg_catalog.has_function_privilege(
           'pg_catalog.pg_read_binary_file(text,bigint,bigint,boolean)', 'execute')
           as read_file,
       pg_catalog.has_function_privilege('pg_catalog.pg_ls_logdir()', 'execute')
           as list_logs,
       pg_catalog.has_table_privilege(
           'pg_catalog.pg_replication_origin_status', 'select')
       -- The view's function is called with the rights of who asks.
       and pg_catalog.has_function_privilege(
           'pg_catalog.pg_show_replication_origin_status()', 'execute')
           as origin_status,
       pg_catalog.has_column_privilege(
           'pg_catalog.pg_subscription', 'subconninfo', 'select') as conninfo
