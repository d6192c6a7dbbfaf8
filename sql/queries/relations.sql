-- $1, $2, $3: for each candidate which question it answers, its schema (null for any
--             that the subscription of the same place in $4 has), its name
-- returns: the relation, its columns in order with their types (a domain's base type),
--          whether they are generated and whether null can mean not sent, since
--          when its columns are what they are, and since when the oldest of them is
--          there, and the database's encoding; the times are null where the server
--          does not know them
-- one row per relation found; privilege: none
select w.question, c.oid as relid, n.nspname::text as schemaname,
       c.relname::text as relname, a.names, a.types, a.generated, a.unsent, a.since,
       a.made, pg_catalog.getdatabaseencoding()::text as encoding
  from unnest($1::int4[], $2::text[], $3::text[], $4::oid[])
           as w(question, nspname, relname, subid)
  join pg_catalog.pg_class c on c.relname = w.relname::name
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  cross join lateral (
      select array_agg(a.attname::text order by a.attnum)
                 filter (where not a.attisdropped) as names,
             array_agg(case t.typtype
                           when 'd' then pg_catalog.format_type(t.typbasetype, null)
                           else pg_catalog.format_type(a.atttypid, a.atttypmod)
                       end order by a.attnum)
                 filter (where not a.attisdropped) as types,
             array_agg(a.attgenerated::text order by a.attnum)
                 filter (where not a.attisdropped) as generated,
             array_agg(a.attlen = -1 or a.attnotnull order by a.attnum)
                 filter (where not a.attisdropped) as unsent,
             max(x.committed) as since,
             min(x.committed) as made
        from pg_catalog.pg_attribute a
        left join pg_catalog.pg_type t on t.oid = a.atttypid
        cross join lateral (
            select case when pg_catalog.current_setting('track_commit_timestamp') = 'on'
                        then pg_catalog.pg_xact_commit_timestamp(a.xmin)
                   end as committed) x
       where a.attrelid = c.oid and a.attnum > 0) a
 where c.relkind in ('r', 'p', 'S')
   and (n.nspname = w.nspname::name
        or w.nspname is null
           and exists (select from pg_catalog.pg_subscription_rel r
                        where r.srsubid = w.subid and r.srrelid = c.oid))
