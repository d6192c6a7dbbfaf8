-- returns: how much of what limits replication is in use on the whole server, and how
--          many publications this database has
-- one row; privilege: none
select (select count(*) from pg_catalog.pg_replication_slots) as slots,
       (select count(*) from pg_catalog.pg_replication_slots
         where slot_type = 'logical') as logical_slots,
       (select count(*) from pg_catalog.pg_publication) as publications,
       (select count(*) from pg_catalog.pg_stat_get_wal_senders()) as senders
