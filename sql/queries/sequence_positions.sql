-- returns: last values; null where it was never called, may not be read, or is gone
-- one row per sequence; privilege: pg_read_all_data, or USAGE or SELECT on each
-- The function fails for a sequence that may not be read, and keeps its lock until
-- the end of the transaction: ask for no more than 1,000 at a time.
select o.oid,
       case when pg_catalog.has_sequence_privilege(c.oid, 'USAGE, SELECT')
            then pg_catalog.pg_sequence_last_value(c.oid) end as last_value,
       true as is_called
  from unnest($1::pg_catalog.oid[]) as o(oid)
  left join pg_catalog.pg_class c on c.oid = o.oid and c.relkind = 'S'
