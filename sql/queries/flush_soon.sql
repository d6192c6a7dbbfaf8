-- Has what was written so far flushed within a moment: the transaction has an id, and
-- its end wakes the WAL writer. Else, where nobody commits, what an open transaction has
-- written may wait for a quarter of a minute, and no subscriber is sent what is before it.
-- returns: the id; one row; privilege: none
select pg_catalog.pg_current_xact_id()::text as xid
