-- The hours in which conflicts that pass the filters began, and how many; of status and
-- key the hours know nothing.
-- $1..$8: conflict_filters.sql
-- returns: hour, conflicts; one row per hour; privilege: SELECT on conflict_hour
select h.hour, sum(h.conflicts)::bigint as conflicts
  from pgconflict.conflict_hour h
 where h.conflicts > 0
   and ($1::timestamptz is null or h.hour >= date_trunc('hour', $1, 'UTC'))
   and ($2::timestamptz is null or h.hour < $2)
   and ($3::text[] is null or h.node = any ($3))
   and ($4::text[] is null or h.subname = any ($4))
   and ($6::text is null
        or (h.relname = $6 and ($5::text is null or h.schemaname = $5))
        or (h.relname is null
            and h.relation = coalesce($5::text || '.' || $6::text, $6::text)))
   and ($7::text[] is null or h.conflict_type = any ($7))
   and ($8::text[] is null or h.kind = any ($8))
 group by h.hour
 order by h.hour
