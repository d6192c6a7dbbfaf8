-- $1: the run
-- returns: each sequence's values and their proof
-- one row per sequence and node; privilege: SELECT on sequence_sync_value
select v.node, v.schemaname, v.sequencename, v.source_last_value, v.source_is_called,
       v.old_last_value, v.old_is_called, v.last_value, v.is_called, v.increment,
       v.minimum, v.maximum, v.relfilenode, v.column_value, v.moved, v.reason, v.doubt
  from pgconflict.sequence_sync_value v
 where v.sync_id = $1::bigint
 order by v.place
