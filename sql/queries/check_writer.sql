-- returns: whether the role of this connection may write the conflict log
-- one row; privilege: USAGE on schema pgconflict
select pg_catalog.has_table_privilege('pgconflict.conflict_log', 'insert, update')
       and pg_catalog.has_table_privilege('pgconflict.log_position', 'insert, update')
           as may_write
