-- returns: logical replication slots; LSNs as numbers; synced: copied from a primary
-- one row per slot; privilege: none
select s.slot_name::text as name, s.database::text as database, s.active,
       s.synced, s.wal_status, s.safe_wal_size,
       pg_catalog.pg_wal_lsn_diff(s.restart_lsn, '0/0')::bigint as restart_lsn,
       pg_catalog.pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::bigint
           as confirmed_lsn,
       s.invalidation_reason as invalidated, s.inactive_since
  from pg_catalog.pg_replication_slots s
 where s.slot_type = 'logical' and not s.temporary
