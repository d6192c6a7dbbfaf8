-- returns: the logical replication slots that subscriptions of other servers read
-- one row per slot; privilege: none
select s.slot_name::text as slot_name, s.database::text as database, s.active
  from pg_catalog.pg_replication_slots s
 where s.slot_type = 'logical' and not s.temporary
