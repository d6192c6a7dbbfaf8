-- $1, $2: schema and table; $3: publications
-- returns: what these publish of the table, which operations, and of which rows, with
--          the columns that say so; since when, null where not known any more
-- one row per publication that has it; privilege: none
select p.pubname::text as name, t.attnames::text[] as columns,
       t.rowfilter as filter, f.columns as filter_columns,
       array_remove(array[case when p.pubinsert then 'insert' end,
                          case when p.pubupdate then 'update' end,
                          case when p.pubdelete then 'delete' end], null) as operations,
       case when pg_catalog.current_setting('track_commit_timestamp') = 'on'
            then greatest(
                pg_catalog.pg_xact_commit_timestamp(p.xmin),
                (select max(pg_catalog.pg_xact_commit_timestamp(r.xmin))
                   from pg_catalog.pg_publication_rel r where r.prpubid = p.oid),
                (select max(pg_catalog.pg_xact_commit_timestamp(m.xmin))
                   from pg_catalog.pg_publication_namespace m where m.pnpubid = p.oid))
       end as since
  from pg_catalog.pg_publication p
  join pg_catalog.pg_publication_tables t on t.pubname = p.pubname
  join pg_catalog.pg_namespace n on n.nspname = t.schemaname
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
  left join pg_catalog.pg_publication_rel d
    on d.prpubid = p.oid and d.prrelid = c.oid and t.rowfilter is not null
  left join lateral (
      select array_agg(pg_catalog.jsonb_build_object(
                           'name', a.attname, 'type',
                           pg_catalog.format_type(a.atttypid, a.atttypmod),
                           'collation', pg_catalog.quote_ident(s.nspname) || '.'
                                        || pg_catalog.quote_ident(l.collname))::text
                       order by a.attnum) as columns
        from pg_catalog.pg_attribute a
        left join pg_catalog.pg_collation l on l.oid = a.attcollation
        left join pg_catalog.pg_namespace s on s.oid = l.collnamespace
       where a.attrelid = d.prrelid
         and a.attnum in (select v[1]::int2
                            from pg_catalog.regexp_matches(
                                     d.prqual::text, ':varattno (\d+)', 'g') v)) f on true
 where t.schemaname = $1::name and t.tablename = $2::name and p.pubname = any ($3::name[])
