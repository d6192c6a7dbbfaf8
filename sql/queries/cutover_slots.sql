-- returns: the logical slots of this database, and what their receivers have confirmed
-- one row per slot; privilege: none
select s.slot_name::text as name,
       s.active,
       (s.confirmed_flush_lsn - '0/0'::pg_catalog.pg_lsn)::bigint as confirmed
  from pg_catalog.pg_replication_slots s
 where s.slot_type = 'logical'
   and s.database = pg_catalog.current_database()
