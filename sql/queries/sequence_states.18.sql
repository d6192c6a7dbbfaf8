-- $1: schemas, or null for all; $2, $3: the $3rd of $2 parts
-- returns: every permanent or unlogged sequence of the database, and where it stands;
--          null where it may not be read. What many have in common comes once, the rest
--          as arrays: a quarter of the time of a row each
-- one row per schema, owner and definition; privilege: pg_read_all_data, or SELECT on each
select n.nspname,
       pg_catalog.pg_get_userbyid(g.relowner) as owner,
       g.relpersistence = 'u' as unlogged,
       pg_catalog.format_type(g.seqtypid, null) as data_type,
       g.seqstart,
       g.seqincrement,
       g.seqmin,
       g.seqmax,
       g.seqcache,
       g.seqcycle,
       g.oids,
       g.relnames,
       g.relfilenodes,
       g.last_values,
       g.are_called
  from (
    select c.relnamespace, c.relowner, c.relpersistence, s.seqtypid,
           s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
           pg_catalog.array_agg(c.oid) as oids,
           pg_catalog.array_agg(c.relname) as relnames,
           pg_catalog.array_agg(c.relfilenode) as relfilenodes,
           pg_catalog.array_agg(d.last_value) as last_values,
           pg_catalog.array_agg(d.is_called) as are_called
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace m on m.oid = c.relnamespace
      join pg_catalog.pg_sequence s on s.seqrelid = c.oid
     cross join lateral pg_catalog.pg_get_sequence_data(c.oid) d
     where c.relkind = 'S'
       and c.relpersistence <> 't'
       and ($1::text[] is null or m.nspname = any ($1::text[]))
       and (c.oid::bigint * 40503 >> 16) % $2::integer = $3::integer
     group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) g
  join pg_catalog.pg_namespace n on n.oid = g.relnamespace
