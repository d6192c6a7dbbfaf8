-- A page of one of PostgreSQL's own conflict tables; whole transactions only.
-- $1: the finish LSN up to which it was read
-- returns: its rows after that, the known columns as text
-- one row per conflict; privilege: SELECT on the table; takes no stronger lock
select {columns}
  from {table}
 where remote_commit_lsn > $1 or remote_commit_lsn is null
 order by remote_commit_lsn
 fetch first 1000 rows with ties
