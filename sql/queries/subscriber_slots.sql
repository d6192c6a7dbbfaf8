-- returns: the slots of this database that subscriptions may read
-- one row per slot; privilege: none
select s.slot_name::text as name
  from pg_catalog.pg_replication_slots s
 where s.slot_type = 'logical' and s.plugin = 'pgoutput' and not s.temporary
   and s.database = pg_catalog.current_database()
