-- returns: the subscriptions whose connection string holds a password; the string
--          itself stays on the server
-- one row per subscription; privilege: SELECT on pg_subscription.subconninfo
select s.subname::text as name,
       d.datname::text as database
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
 where s.subconninfo ~* '(^|\s)(ssl)?password\s*='
    or s.subconninfo ~* '[?&](ssl)?password='
    or s.subconninfo ~* '^postgres(ql)?://[^/@]*:[^/@]+@'
 order by s.subname, d.datname
