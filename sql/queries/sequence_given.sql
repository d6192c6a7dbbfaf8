-- $1: node; $2: database
-- returns: what `stagger` gave the node's sequences the last time
-- one row per sequence; privilege: SELECT on sequence_sync and sequence_sync_value
select distinct on (v.schemaname, v.sequencename)
       v.schemaname, v.sequencename, v.increment, v.minimum, v.maximum, v.last_value,
       s.ended_at
  from pgconflict.sequence_sync_value v
  join pgconflict.sequence_sync s on s.sync_id = v.sync_id
 where s.kind = 'stagger'
   and s.ended_at is not null
   and s.database = $2::text
   and v.node = $1::text
   and v.last_value is not null
 order by v.schemaname, v.sequencename, s.sync_id desc
