-- returns: how many log entries of each subscription were recorded, by counter
-- one row per subscription and counter; privilege: SELECT on recorded_entry_count
select subid, counter, entries
  from pgconflict.recorded_entry_count
 where system_identifier = $1
