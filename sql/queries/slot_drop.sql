-- Drops a replication slot that nobody reads.
-- $1 its name
-- returns: one row, nothing in it; privilege: REPLICATION
select pg_catalog.pg_drop_replication_slot($1::name)
