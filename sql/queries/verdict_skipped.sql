-- $1: the nodes' system identifiers; $2: not before
-- returns: transactions that were skipped, of which changes were left out
--          (`--keep ours`), or on which apply stopped for so long that what was logged
--          of them first is not looked for: where and when, by the clock of the node, of
--          the latter two long ago; when each had committed on its publisher, by that
--          one's clock, null where that is not recorded; whether any of it was applied
-- one row per transaction; privilege: SELECT on conflict_log, subscription_action
select s.system_identifier, s.subid, s.remote_xid, max(s.skipped_at) as skipped_at,
       max(s.committed) as committed, bool_or(s.applied) as applied
  from (select c.system_identifier, c.subid, c.remote_xid, c.status_at as skipped_at,
               c.remote_commit_ts as committed, false as applied
          from pgconflict.conflict_log c
         where c.stalls and c.status = 'skipped' and c.system_identifier = any ($1)
           and c.status_at >= $2
        union all
        select a.system_identifier, a.subid, a.remote_xid,
               timestamptz '0001-01-01 00:00:00+00', null, true
          from pgconflict.subscription_action a
         where a.action = 'keep_ours' and a.system_identifier = any ($1)
           and a.began_at >= $2
        union all
        select c.system_identifier, c.subid, c.remote_xid,
               timestamptz '0001-01-01 00:00:00+00', c.remote_commit_ts, true
          from pgconflict.conflict_log c
         where c.stalls and c.system_identifier = any ($1) and c.last_logged_at >= $2
           and c.last_logged_at > c.first_logged_at + interval '12 hours') s
 group by s.system_identifier, s.subid, s.remote_xid
