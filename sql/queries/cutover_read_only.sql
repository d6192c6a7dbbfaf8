-- returns: what default_transaction_read_only is for sessions that do not set it, and
--          where that is from
-- one row; privilege: none
select s.setting = 'on' as read_only, s.source
  from pg_catalog.pg_settings s
 where s.name = 'default_transaction_read_only'
