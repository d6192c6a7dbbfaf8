-- returns: settings as this session sees them; value null where the role may not see
-- one row per name asked for ($1, text[]); privilege: pg_read_all_settings for the
-- log's place
select asked.name,
       s.setting as value,
       s.source in ('database', 'user', 'database user') as of_our_role
  from unnest($1::text[]) as asked (name)
  left join pg_catalog.pg_settings s on s.name = asked.name
