-- returns: logical replication slots; LSNs as numbers; synced: copied from a primary
-- one row per slot; privilege: none
select s.slot_name::text as name, s.database::text as database, s.active,
       false as synced, s.wal_status, s.safe_wal_size,
       pg_catalog.pg_wal_lsn_diff(s.restart_lsn, '0/0')::bigint as restart_lsn,
       pg_catalog.pg_wal_lsn_diff(s.confirmed_flush_lsn, '0/0')::bigint
           as confirmed_lsn,
       -- 16 calls every invalid slot conflicting; with its WAL gone the slot has no
       -- place in it. Otherwise rows went, or wal_level fell: 16 does not say.
       case when s.conflicting and s.restart_lsn is not null then 'rows_removed'
            when s.wal_status = 'lost' then 'wal_removed' end as invalidated,
       null::timestamptz as inactive_since
  from pg_catalog.pg_replication_slots s
 where s.slot_type = 'logical' and not s.temporary
