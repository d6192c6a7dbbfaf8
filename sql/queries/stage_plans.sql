-- Leaves the planner one way to look up staged entries: the day's unique index, once
-- an entry. Without statistics on the stage and on a day just begun it would compare
-- every staged entry with the whole day.
-- returns: nothing; until the end of the transaction
select set_config('enable_' || name, 'off', true)
  from (values ('bitmapscan'), ('hashjoin'), ('material'), ('memoize'), ('mergejoin'),
               ('seqscan')) as t (name)
