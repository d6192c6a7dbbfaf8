-- $1, $2: schema and table
-- returns: what reading its rows by key depends on; times are null where the server
--          does not know them any more
-- one row if there is such a table; privilege: none
select c.oid as relid,
       pg_catalog.row_security_active(c.oid) as hides_rows,
       a.names, a.types, a.prints, a.generated, a.readable,
       i.keys,
       (select array[pn.nspname::text, pc.relname::text]
          from pg_catalog.pg_partition_ancestors(c.oid) with ordinality p (relid, place)
          join pg_catalog.pg_subscription_rel r on r.srrelid = p.relid
          join pg_catalog.pg_class pc on pc.oid = p.relid
          join pg_catalog.pg_namespace pn on pn.oid = pc.relnamespace
         order by p.place limit 1) as subscribed_as,
       c.xmin::text as change,
       o.timestamp as changed_at,
       -- The time is the origin's own then, by its clock.
       coalesce(o.roident <> 0, false) as changed_by_apply,
       greatest(s.last_vacuum, s.last_autovacuum) as vacuumed_at,
       -- Of a partitioned table its partitions are vacuumed.
       case c.relkind when 'r' then s.vacuum_count + s.autovacuum_count end as vacuums,
       -- Milliseconds; known since 18.
       (v.stat ->> 'total_vacuum_time')::float8
           + (v.stat ->> 'total_autovacuum_time')::float8 as vacuuming
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_stat_all_tables s on s.relid = c.oid
  left join lateral pg_catalog.to_jsonb(s) as v (stat) on true
  -- Asked of null it says nothing; asked where no times are kept it is an error.
  left join lateral pg_catalog.pg_xact_commit_timestamp_origin(
      case when pg_catalog.current_setting('track_commit_timestamp') = 'on'
           then c.xmin end) o on true
  cross join lateral (
      select array_agg(a.attname::text order by a.attnum) as names,
             array_agg(pg_catalog.format_type(a.atttypid, a.atttypmod)
                       order by a.attnum) as types,
             -- What decides whether equal values print equally; see RowTable.prints.
             array_agg(case
                 when l.collisdeterministic = false then 'exact'
                 when b.oid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                                'oid'::regtype) then 'integer'
                 when b.oid in ('text'::regtype, 'varchar'::regtype) then 'text'
                 when b.typtype = 'e' or b.oid = 'numeric'::regtype and b.typmod >= 0
                      or b.oid in ('uuid'::regtype, 'bool'::regtype, 'bpchar'::regtype,
                                   'name'::regtype, 'inet'::regtype, 'cidr'::regtype,
                                   'macaddr'::regtype, 'time'::regtype) then 'type'
                 when b.oid in ('date'::regtype, 'timestamp'::regtype) then 'date'
                 when b.oid = 'timestamptz'::regtype then 'zone'
                 when b.oid = 'bytea'::regtype then 'bytes'
                 -- 19 prints it with zeros.
                 when b.oid in ('pg_lsn'::regtype, 'pg_lsn[]'::regtype)
                      then 'lsn ' || '0/1'::pg_lsn
                 when b.typcategory = 'S' or b.oid = 'numeric'::regtype then 'exact'
                 else 'lossy' end order by a.attnum) as prints,
             array_agg(a.attgenerated <> '' order by a.attnum) as generated,
             array_agg(pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
                       order by a.attnum) as readable
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid = a.atttypid
        cross join lateral (
            -- A domain's values are those of its type.
            select u.oid, u.typtype, u.typcategory,
                   case when t.typtype = 'd' then t.typtypmod
                        else a.atttypmod end as typmod
              from pg_catalog.pg_type u
             where u.oid = case when t.typtype = 'd' then t.typbasetype
                                else t.oid end) b
        left join pg_catalog.pg_collation l on l.oid = a.attcollation
       where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) a
  cross join lateral (
      -- Each index that finds at most one row, the identity's first. One of a deferrable
      -- constraint may find several: apply does not enforce it.
      select array_agg(pg_catalog.jsonb_build_object(
                           'columns', k.columns, 'schemas', k.schemas,
                           'deferrable', not i.indimmediate)::text
                       order by i.indisreplident desc, i.indimmediate desc,
                                i.indisprimary desc, i.indexrelid) as keys
        from pg_catalog.pg_index i
        cross join lateral (
            select pg_catalog.jsonb_agg(a.attname::text order by k.place) as columns,
                   -- Where the = of each column's index is: an extension's type has its own.
                   pg_catalog.jsonb_agg(coalesce(e.schema, 'pg_catalog')
                                        order by k.place) as schemas
              from unnest(i.indkey, i.indclass)
                       with ordinality as k (attnum, opclass, place)
              join pg_catalog.pg_attribute a
                on a.attrelid = i.indrelid and a.attnum = k.attnum
              left join lateral (
                  select n.nspname::text as schema
                    from pg_catalog.pg_opclass c
                    join pg_catalog.pg_amop s
                      on s.amopfamily = c.opcfamily and s.amopstrategy = 3
                     and s.amoplefttype = c.opcintype and s.amoprighttype = c.opcintype
                    join pg_catalog.pg_operator o
                      on o.oid = s.amopopr and o.oprname = '='
                    join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
                   where c.oid = k.opclass) e on true
             where k.place <= i.indnkeyatts) k
       where i.indrelid = c.oid and i.indisunique and i.indisvalid
         and i.indexprs is null and i.indpred is null) i
 where n.nspname = $1::name and c.relname = $2::name and c.relkind in ('r', 'p')
