-- Transactions that may have stored conflicts nobody sees yet: an INSERT holds this
-- lock from before it takes a number until its transaction has ended.
-- returns: virtualtransaction; one row per transaction; privilege: none
select distinct l.virtualtransaction
  from pg_catalog.pg_locks l
 where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted
   and l.database = (select oid from pg_catalog.pg_database
                      where datname = current_database())
   and (l.relation = 'pgconflict.conflict_log'::regclass
        or l.relation in (
            select inhrelid from pg_catalog.pg_inherits
             where inhparent = 'pgconflict.conflict_log'::regclass))
