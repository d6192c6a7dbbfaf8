-- returns: last values; null where it may not be read or is gone
-- one row per sequence; privilege: pg_read_all_data, or SELECT on each
select o.oid, d.last_value, d.is_called
  from unnest($1::pg_catalog.oid[]) as o(oid)
  left join pg_catalog.pg_class c on c.oid = o.oid and c.relkind = 'S'
 cross join lateral pg_catalog.pg_get_sequence_data(c.oid) d
