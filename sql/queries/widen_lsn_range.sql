-- Widens what a day of a subscription can hold.
-- returns: nothing; privilege: INSERT and UPDATE on lsn_range
insert into pgconflict.lsn_range as r (system_identifier, subid, day, min_lsn, max_lsn)
values ($1, $2, $3, $4, $5)
on conflict (system_identifier, subid, day) do update
   set min_lsn = least(r.min_lsn, excluded.min_lsn),
       max_lsn = greatest(r.max_lsn, excluded.max_lsn)
