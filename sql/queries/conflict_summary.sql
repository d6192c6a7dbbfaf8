-- Sums by type, by table, by subscription and by time, and the total.
-- $1..$8: conflict_filters.sql, $1 and $2 full hours; $9: length of a bucket
-- returns: level (0: bucket, 1: type, 2: subscription, 3: table, 4: total), its names,
--     conflicts, attempts, stalled
-- one row per bucket, type, subscription, table; privilege: SELECT on conflict_hour
with counted as (
    select date_bin($9::interval, h.hour, '2000-01-01 00:00:00+00') as bucket,
           h.kind, h.conflict_type, h.node, h.subname,
           h.schemaname, h.relname,
           case when h.relname is null then h.relation end as relation,
           sum(h.conflicts) as conflicts, sum(h.attempts) as attempts,
           sum(h.stalled) as stalled
      from pgconflict.conflict_hour h
     where h.conflicts > 0
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
     -- In one pass, so that what is grouped five times is few.
     group by 1, 2, 3, 4, 5, 6, 7, 8)
select case when grouping(bucket) = 0 then 0 when grouping(kind) = 0 then 1
            when grouping(node) = 0 then 2 when grouping(relation) = 0 then 3
            else 4 end as level,
       bucket, kind, conflict_type, node, subname, schemaname, relname, relation,
       coalesce(sum(conflicts), 0)::bigint as conflicts,
       coalesce(sum(attempts), 0)::bigint as attempts,
       coalesce(sum(stalled), 0)::bigint as stalled
  from counted
 group by grouping sets (
    (bucket), (kind, conflict_type), (node, subname), (schemaname, relname, relation), ())
 order by level, bucket, conflicts desc, kind, conflict_type, node, subname, schemaname,
          relname, relation
