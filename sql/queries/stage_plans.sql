-- Leaves the planner one way to look up staged entries: the day's unique index, once
-- an entry. Without statistics on the stage and on a day just begun it would compare
-- every staged entry with the whole day; and a plan made for a day just begun would be
-- kept when the day is full.
-- returns: nothing; until the end of the transaction
-- privilege: none
select pg_catalog.set_config(name, value, true)
  from (values ('enable_bitmapscan', 'off'), ('enable_hashjoin', 'off'),
               ('enable_material', 'off'), ('enable_memoize', 'off'),
               ('enable_mergejoin', 'off'), ('enable_seqscan', 'off'),
               ('plan_cache_mode', 'force_custom_plan')) as t (name, value)
