-- $1: schemas, or null for all; $2: oids, or null for all; $3, $4: the $4th of $3 parts
-- returns: every permanent or unlogged sequence of the database, without its position
-- one row per sequence; privilege: none
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
       c.relfilenode
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_sequence s on s.seqrelid = c.oid
 where c.relkind = 'S'
   and c.relpersistence <> 't'
   and ($1::text[] is null or n.nspname = any ($1::text[]))
   and ($2::pg_catalog.oid[] is null or c.oid = any ($2::pg_catalog.oid[]))
   and (c.oid::bigint * 40503 >> 16) % $3::integer = $4::integer
