-- returns: the subscriptions of the whole server, with what matters to detection
-- one row per subscription; privilege: none
select s.oid::bigint as subid,
       s.subname::text as name,
       d.datname::text as database,
       r.rolname::text as owner,
       r.rolsuper as owner_superuser,
       r.rolcanlogin as owner_can_login,
       null::boolean as password_required,
       s.subenabled as enabled,
       s.subdisableonerr as disable_on_error,
       null::boolean as run_as_owner,
       s.subtwophasestate <> 'd' as two_phase,
       case when s.substream then 'on' else 'off' end as streaming,
       null::text as origin,
       null::boolean as retain_dead_tuples
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
  join pg_catalog.pg_roles r on r.oid = s.subowner
 order by s.subname, d.datname
