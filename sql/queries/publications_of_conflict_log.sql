-- returns: name of each publication that publishes, or would publish, schema
--          pgconflict, and why
-- one row per publication; privilege: none
select p.pubname::text as publication,
       case when p.puballtables then 'FOR ALL TABLES'
            else 'FOR TABLES IN SCHEMA pgconflict' end as reason
  from pg_catalog.pg_publication p
 where p.puballtables
    or exists (select 1
                 from pg_catalog.pg_publication_namespace pn
                 join pg_catalog.pg_namespace n on n.oid = pn.pnnspid
                where pn.pnpubid = p.oid and n.nspname = 'pgconflict')
 order by 1
