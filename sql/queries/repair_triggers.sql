-- $1: relation
-- returns: its triggers, and whether each fires when a row is written as apply does
-- one row per trigger; privilege: none
select t.tgname::text as name, t.tgenabled in ('A', 'R') as fires
  from pg_catalog.pg_trigger t
 where t.tgrelid = $1 and not t.tgisinternal and t.tgenabled <> 'D'
 order by t.tgname
