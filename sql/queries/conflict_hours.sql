-- The hours in which conflicts began: how many, and how many of them pass the filters;
-- of status and key the hours know nothing.
-- $1..$8: conflict_filters.sql, $1 and $2 full hours
-- returns: hour, matching, conflicts; one row per hour; privilege: SELECT on conflict_hour
select h.hour,
       coalesce(sum(h.conflicts) filter (where
           ($3::text[] is null or h.node = any ($3))
           and ($4::text[] is null or h.subname = any ($4))
           and ($6::text is null
                or (h.relname = $6 and ($5::text is null or h.schemaname = $5))
                or (h.relname is null
                    and (h.relation = coalesce($5::text || '.' || $6::text, $6::text)
                         or ($5 is null and right(h.relation, length($6) + 1) = '.' || $6))))
           and ($7::text[] is null or h.conflict_type = any ($7))
           and ($8::text[] is null or h.kind = any ($8))), 0)::bigint as matching,
       sum(h.conflicts)::bigint as conflicts
  from pgconflict.conflict_hour h
 where h.hour >= $1::timestamptz and h.hour < $2::timestamptz and h.conflicts > 0
 group by h.hour
