-- returns: whether the role may see how far replication origins have come
-- one row; privilege: none
select pg_catalog.has_function_privilege(
           'pg_catalog.pg_show_replication_origin_status()', 'execute') as may
