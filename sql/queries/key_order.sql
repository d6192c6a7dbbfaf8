-- $1: relation; $2: columns
-- returns: what decides the order of their values: two nodes that say the same sort
--          alike; C is the order of bytes; collatable: COLLATE can be given
-- one row per column; privilege: none
select a.attname::text as name, a.attnotnull as not_null, a.attcollation <> 0 as collatable,
       case
           when t.typtype = 'e' then
               (select 'enum ' || string_agg(pg_catalog.quote_literal(e.enumlabel), ','
                                             order by e.enumsortorder)
                  from pg_catalog.pg_enum e where e.enumtypid = t.oid)
           when a.attcollation = 0 and t.typcategory = 'N' then 'number'
           when a.attcollation = 0 then
               pg_catalog.format_type(a.atttypid, null)
           when o.locale in ('C', 'POSIX')
                or o.provider = 'b' and o.locale = 'C.UTF-8' then 'C'
           else concat_ws('/', o.provider, o.locale, o.version, o.deterministic)
       end as sort_order
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_type t on t.oid = a.atttypid
  left join lateral (
      select case when c.collprovider = 'd' then d.datlocprovider
                  else c.collprovider end as provider,
             -- The column has had three names.
             case when c.collprovider = 'd'
                  then coalesce(pg_catalog.to_jsonb(d) ->> 'datlocale',
                                pg_catalog.to_jsonb(d) ->> 'daticulocale',
                                d.datcollate)
                  else coalesce(pg_catalog.to_jsonb(c) ->> 'colllocale',
                                pg_catalog.to_jsonb(c) ->> 'colliculocale',
                                c.collcollate) end as locale,
             case when c.collprovider = 'd'
                  then pg_catalog.pg_database_collation_actual_version(d.oid)
                  else pg_catalog.pg_collation_actual_version(c.oid) end as version,
             c.collisdeterministic as deterministic
        from pg_catalog.pg_collation c
        join pg_catalog.pg_database d on d.datname = pg_catalog.current_database()
       where c.oid = a.attcollation) o on true
 where a.attrelid = $1 and a.attname = any ($2::name[])
