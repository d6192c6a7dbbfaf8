-- $1: schemas, or null for all; $2, $3: the $3rd of $2 parts
-- returns: every permanent or unlogged sequence of the database, and where it stands;
--          null where it may not be read
-- one row per sequence; privilege: pg_read_all_data, or SELECT on each
select c.oid,
       n.nspname,
       c.relname,
       pg_catalog.pg_get_userbyid(c.relowner) as owner,
       c.relpersistence = 'u' as unlogged,
       pg_catalog.format_type(s.seqtypid, null) as data_type,
       s.seqstart,
       s.seqincrement,
       s.seqmin,
       s.seqmax,
       s.seqcache,
       s.seqcycle,
       c.relfilenode,
       d.last_value,
       d.is_called
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_sequence s on s.seqrelid = c.oid
 cross join lateral pg_catalog.pg_get_sequence_data(c.oid) d
 where c.relkind = 'S'
   and c.relpersistence <> 't'
   and ($1::text[] is null or n.nspname = any ($1::text[]))
   and c.oid::bigint % $2::integer = $3::integer
