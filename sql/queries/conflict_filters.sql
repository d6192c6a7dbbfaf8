-- The condition that the filters of commands put on rows of conflict_log as c; it is
-- part of other statements. A null asks for nothing and is folded away when planned.
-- $1 since, $2 until, $3 nodes, $4 subscriptions, $5 schema, $6 table, $7 types,
-- $8 kinds, $9 statuses, $10 keys as the server prints them, $11 the key as jsonb
-- privilege: SELECT on conflict_log
($1::timestamptz is null or c.first_logged_at >= $1)
   and ($2::timestamptz is null or c.first_logged_at < $2)
   and ($3::text[] is null or c.node = any ($3))
   and ($4::text[] is null or c.subname = any ($4))
   and ($6::text is null
        or (c.relname = $6 and ($5::text is null or c.schemaname = $5))
        or (c.relname is null
            and (c.relation = coalesce($5::text || '.' || $6::text, $6::text)
                 or ($5 is null and right(c.relation, length($6) + 1) = '.' || $6))))
   and ($7::text[] is null or c.conflict_type = any ($7))
   and ($8::text[] is null or c.kind = any ($8))
   -- Every status but this one is only that of what stopped apply.
   and ($9::text[] is null
        or (c.status = any ($9) and ('applied' = any ($9) or c.stalls)))
   and ($10::text[] is null
        or c.replica_identity_text = any ($10)
        or (c.stalls and exists (
                select from unnest(c.local_conflicts) as l
                 where l ->> 'key_text' = any ($10)))
        -- Copied from a server's own table, which has no text of the key.
        or (c.replica_identity_text is null and c.source = 'native'
            and c.replica_identity = $11::jsonb))
