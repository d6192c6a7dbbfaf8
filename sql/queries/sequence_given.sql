-- $1: node; $2: database
-- returns: what `stagger` gave the node's sequences the last time, and the file that
--          each had after the last run that looked at it
-- one row per sequence; privilege: SELECT on sequence_sync and sequence_sync_value
select distinct on (v.schemaname, v.sequencename)
       v.schemaname, v.sequencename, v.increment, v.minimum, v.maximum, v.last_value,
       s.ended_at,
       pg_catalog.first_value(v.relfilenode) over (
           partition by v.schemaname, v.sequencename order by s.sync_id desc) as file
  from pgconflict.sequence_sync_value v
  join pgconflict.sequence_sync s on s.sync_id = v.sync_id
 where s.ended_at is not null
   and s.database = $2::text
   and v.node = $1::text
   and v.last_value is not null
   and exists (
       select
         from pgconflict.sequence_sync_value g
         join pgconflict.sequence_sync t on t.sync_id = g.sync_id
        where t.kind = 'stagger'
          and t.ended_at is not null
          and t.database = s.database
          and g.node = v.node
          and g.schemaname = v.schemaname
          and g.sequencename = v.sequencename)
 order by v.schemaname, v.sequencename, s.kind = 'stagger' desc, s.sync_id desc
