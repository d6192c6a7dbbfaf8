-- Stores that an epoch's difference changed, or what explains a change stored before.
-- $1 to $4: the epoch; $5, $6: the comparisons before and after; $7: the change;
-- $8: reasons
-- returns: nothing; privilege: INSERT and UPDATE on ledger_difference
insert into pgconflict.ledger_difference (
    system_identifier, subid, counter, epoch_began_at, after, found_at, difference,
    reasons)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (system_identifier, subid, counter, epoch_began_at, found_at) do update
   set reasons = excluded.reasons
