-- returns: what a slot would send, up to the first transaction after $2 (null: all) that
--          makes it $3 messages or more (null: any number), as pgoutput's messages
-- $1 slot, $4 options of the output plugin
-- one row per message; privilege: REPLICATION
select p.data
  from pg_catalog.pg_logical_slot_peek_binary_changes(
           $1::name, $2::pg_lsn, $3::integer, variadic $4::text[]) p
