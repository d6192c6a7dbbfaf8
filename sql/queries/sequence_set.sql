-- $1: oids; $2, $3: where to; $4: with lock taken by SET LOGGED; $5, $6: where they are,
-- for those that the server can't tell, else null; $7 to $10: their increments, minima,
-- maxima and cycle flags when the plan was made
-- returns: what became of each: set; ahead: is as far already; unknown: was never
--          called, so $5 and $6 must say; changed: has another definition; altered:
--          taking the lock changed something; gone
-- one row per sequence; privilege: UPDATE and SELECT on each
-- Only in a transaction that holds the sequences' locks, so that nobody can take a value
-- between the look and the change. "offset 0" keeps the look before the change.
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
                when (s.seqincrement, s.seqmin, s.seqmax, s.seqcycle)
                     <> (p.increment, p.minimum, p.maximum, p.cycle) then 'changed'
                when p.light
                     and c.xmin = pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.xid
                     then 'altered'
                when v.last_value is null then 'unknown'
                when s.seqincrement > 0
                     and (p.to_value, p.to_called) <= (v.last_value, v.is_called)
                     then 'ahead'
                when s.seqincrement < 0
                     and (- p.to_value::numeric, p.to_called)
                         <= (- v.last_value::numeric, v.is_called)
                     then 'ahead'
                else 'set'
           end as outcome
      from unnest($1::pg_catalog.oid[], $2::bigint[], $3::boolean[], $4::boolean[],
                  $5::bigint[], $6::boolean[], $7::bigint[], $8::bigint[],
                  $9::bigint[], $10::boolean[])
           as p(oid, to_value, to_called, light, at_value, at_called,
                increment, minimum, maximum, cycle)
      left join lateral (
        select q.seqrelid, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle
          from pg_catalog.pg_sequence q
         where q.seqrelid = p.oid
        offset 0) s on true
      left join lateral (
        select r.oid, r.xmin
          from pg_catalog.pg_class r
         where r.oid = s.seqrelid
        offset 0) c on true
     cross join lateral (
        select coalesce(f.last_value, p.at_value) as last_value,
               case when f.last_value is null then p.at_called else true end as is_called
          from (select pg_catalog.pg_sequence_last_value(c.oid) as last_value offset 0) f
        offset 0) v
    offset 0) d
