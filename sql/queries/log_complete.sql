-- $1: system identifier; $2: node; $3: now by the node's clock; $4: whether there was
-- a gap just now; since 'infinity' there was one of which nothing else is known
-- returns: since when the node's log is recorded without a gap
-- one row; privilege: SELECT, INSERT, UPDATE on log_complete
insert into pgconflict.log_complete as l (system_identifier, node, since)
values ($1, $2, $3)
on conflict (system_identifier) do update
   set since = case when $4::boolean or not isfinite(l.since) then excluded.since
                    else l.since end,
       node = excluded.node
returning since
