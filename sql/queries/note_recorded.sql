-- Adds to the number of entries recorded.
-- $1 system identifier; $2, $3, $4: subscription, counter and number of each
-- returns: nothing; privilege: INSERT and UPDATE on recorded_entry_count
insert into pgconflict.recorded_entry_count as r (
    system_identifier, subid, counter, entries)
select $1, subid, counter, number
  from unnest($2::oid[], $3::text[], $4::int8[]) as n (subid, counter, number)
on conflict (system_identifier, subid, counter) do update
   set entries = r.entries + excluded.entries
