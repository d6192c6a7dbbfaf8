-- returns: the subscriptions of the whole server, with what matters to detection
-- one row per subscription; privilege: none
select s.oid::bigint as subid,
       s.subname::text as name,
       d.datname::text as database,
       r.rolname::text as owner,
       r.rolsuper as owner_superuser,
       r.rolcanlogin as owner_can_login,
       s.subpasswordrequired as password_required,
       s.subenabled as enabled,
       s.subdisableonerr as disable_on_error,
       s.subrunasowner as run_as_owner,
       s.subtwophasestate <> 'd' as two_phase,
       case s.substream when 'f' then 'off' when 't' then 'on' else 'parallel' end as streaming,
       s.suborigin as origin,
       s.subretaindeadtuples as retain_dead_tuples
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
  join pg_catalog.pg_roles r on r.oid = s.subowner
 order by s.subname, d.datname
