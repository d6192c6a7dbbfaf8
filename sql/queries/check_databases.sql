-- returns: databases besides this one that a subscription applies to or a logical slot
--          sends from; whether anybody, and our role, may connect
-- one row per database; privilege: none
select d.datname::text as name,
       d.datallowconn as accepts,
       d.datallowconn and pg_catalog.has_database_privilege(d.oid, 'connect') as open
  from pg_catalog.pg_database d
 where d.datname <> pg_catalog.current_database()
   and (exists (select from pg_catalog.pg_subscription s where s.subdbid = d.oid)
        or exists (select from pg_catalog.pg_replication_slots r
                    where r.database = d.datname and r.slot_type = 'logical'
                      and not r.temporary))
 order by d.datname
