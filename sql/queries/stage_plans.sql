-- Keeps the planner from scanning a day of the conflict log for a handful of rows.
-- returns: nothing; until the end of the transaction
select set_config(name, 'off', true)
  from (values ('enable_hashjoin'), ('enable_mergejoin'), ('enable_seqscan')) as t (name)
