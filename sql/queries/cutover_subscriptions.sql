-- returns: the subscriptions of this database, and how much of each is not ready yet
-- one row per subscription; privilege: none
select s.subname::text as name,
       s.subslotname::text as slot_name,
       s.subenabled as enabled,
       (select pg_catalog.count(*)
          from pg_catalog.pg_subscription_rel r
          join pg_catalog.pg_class c on c.oid = r.srrelid and c.relkind <> 'S'
         where r.srsubid = s.oid
           and r.srsubstate <> 'r') as relations_not_ready,
       (select pg_catalog.count(*)
          from pg_catalog.pg_subscription_rel r
          join pg_catalog.pg_class c on c.oid = r.srrelid and c.relkind = 'S'
         where r.srsubid = s.oid) as sequences
  from pg_catalog.pg_subscription s
  join pg_catalog.pg_database d on d.oid = s.subdbid
 where d.datname = pg_catalog.current_database()
 order by s.subname
