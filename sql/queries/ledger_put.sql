-- Stores an epoch of the ledger as it is now.
-- returns: nothing; privilege: INSERT and UPDATE on ledger
insert into pgconflict.ledger as l (
    system_identifier, node, subid, subname, counter, began_at, checked_at, base,
    server_count, recorded_count, unaccounted, stats_reset, ended_at, ended_by,
    database, statistics_began)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (system_identifier, subid, counter, began_at) do update
   set checked_at = excluded.checked_at, server_count = excluded.server_count,
       recorded_count = excluded.recorded_count, unaccounted = excluded.unaccounted,
       stats_reset = excluded.stats_reset, ended_at = excluded.ended_at,
       ended_by = excluded.ended_by, database = excluded.database,
       statistics_began = excluded.statistics_began
