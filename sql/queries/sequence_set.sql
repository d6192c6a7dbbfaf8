-- $1: oids; $2, $3: where to; $4: their increments when the plan was made; $5, $6: where
-- they are, for those that the server can't tell, else null; $7, $8: the schemas and
-- names by which they were locked
-- returns: what became of each: set; ahead: is as far already; unknown: was never
--          called, so $5 and $6 must say; changed: has another increment; altered: taking
--          the lock changed something; gone, or under another name
-- one row per sequence; privilege: UPDATE and SELECT on each
-- Only in a transaction that holds the sequences' locks, so that nobody can take a value
-- between the look and the change. "offset 0" keeps the look before the change, and the
-- lookups on their indexes.
select d.oid,
       d.outcome,
       case when d.outcome = 'set'
            then pg_catalog.setval(d.oid::pg_catalog.regclass, d.to_value, d.to_called)
       end as value
  from (
    select p.oid,
           p.to_value,
           p.to_called,
           case when c.oid is null then 'gone'
                when c.seqincrement <> p.increment then 'changed'
                when c.xmin = pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.xid
                     then 'altered'
                when v.last_value is null then 'unknown'
                when c.seqincrement > 0
                     and (p.to_value, p.to_called) <= (v.last_value, v.is_called)
                     then 'ahead'
                when c.seqincrement < 0
                     and (- p.to_value::numeric, p.to_called)
                         <= (- v.last_value::numeric, v.is_called)
                     then 'ahead'
                else 'set'
           end as outcome
      from unnest($1::pg_catalog.oid[], $2::bigint[], $3::boolean[], $4::bigint[],
                  $5::bigint[], $6::boolean[], $7::text[], $8::text[])
           as p(oid, to_value, to_called, increment, at_value, at_called,
                nspname, relname)
      left join lateral (
        select r.oid, r.xmin, q.seqincrement
          from pg_catalog.pg_sequence q
          join pg_catalog.pg_class r on r.oid = q.seqrelid
          join pg_catalog.pg_namespace n on n.oid = r.relnamespace
         where q.seqrelid = p.oid
           and r.relname = p.relname
           and n.nspname = p.nspname
        offset 0) c on true
     cross join lateral (
        select coalesce(f.last_value, p.at_value) as last_value,
               case when f.last_value is null then p.at_called else true end as is_called
          from (select pg_catalog.pg_sequence_last_value(c.oid) as last_value offset 0) f
        offset 0) v
    offset 0) d
