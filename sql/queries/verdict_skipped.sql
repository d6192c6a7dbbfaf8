-- $1: the nodes' system identifiers; $2: not before
-- returns: subscriptions of which transactions were skipped, and when last
-- one row per subscription; privilege: SELECT on conflict_log
select c.system_identifier, c.subid, max(c.status_at) as skipped_at
  from pgconflict.conflict_log c
 where c.stalls and c.status = 'skipped' and c.system_identifier = any ($1)
   and c.status_at >= $2
 group by c.system_identifier, c.subid
