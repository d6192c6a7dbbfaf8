-- $1..$8: conflict_filters.sql, $1 and $2 full hours
-- returns: cause and effect, null where not decided; conflicts of them
-- one row per cause and effect of what was looked at; privilege: SELECT on effect_hour
select h.cause, h.effect, sum(h.conflicts)::bigint as conflicts
  from pgconflict.effect_hour h
 where h.kind in ('conflict', 'difference')
   and ($1::timestamptz is null or h.hour >= $1)
   and ($2::timestamptz is null or h.hour < $2)
   and ($3::text[] is null or h.node = any ($3))
   and ($4::text[] is null or h.subname = any ($4))
   and ($6::text is null
        or (h.relname = $6 and ($5::text is null or h.schemaname = $5))
        or (h.relname is null
            and (h.relation = coalesce($5::text || '.' || $6::text, $6::text)
                 or ($5 is null and right(h.relation, length($6) + 1) = '.' || $6))))
   and ($7::text[] is null or h.conflict_type = any ($7))
   and ($8::text[] is null or h.kind = any ($8))
 group by h.cause, h.effect
