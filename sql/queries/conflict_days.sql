-- The UTC days in which conflicts began that pass the filters: from the first to the
-- last such hour, and how many; of status and key the hours know nothing.
-- $1..$8: conflict_filters.sql, $1 and $2 full hours
-- returns: low, high, matching; one row per day; privilege: SELECT on conflict_hour
select min(h.hour) as low, max(h.hour) + interval '1 hour' as high,
       sum(h.conflicts)::bigint as matching
  from pgconflict.conflict_hour h
 where h.hour >= $1::timestamptz and h.hour < $2::timestamptz and h.conflicts > 0
   and ($3::text[] is null or h.node = any ($3))
   and ($4::text[] is null or h.subname = any ($4))
   and ($6::text is null
        or (h.relname = $6 and ($5::text is null or h.schemaname = $5))
        or (h.relname is null
            and (h.relation = coalesce($5::text || '.' || $6::text, $6::text)
                 or ($5 is null and right(h.relation, length($6) + 1) = '.' || $6))))
   and ($7::text[] is null or h.conflict_type = any ($7))
   and ($8::text[] is null or h.kind = any ($8))
 group by date_trunc('day', h.hour, 'UTC')
