-- $1, $2: schema and table; $3: publications
-- returns: what these publish of the table; since when, null where not known any more
-- one row per publication that has it; privilege: none
select p.pubname::text as name, t.attnames::text[] as columns,
       t.rowfilter is not null as filtered,
       p.pubinsert and p.pubupdate and p.pubdelete as complete,
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
 where t.schemaname = $1::name and t.tablename = $2::name and p.pubname = any ($3::name[])
