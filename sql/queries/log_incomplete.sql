-- $1: system identifier
-- what follows a gap is about to be recorded: whoever needs the log without one takes
-- it to begin later
-- returns: nothing; privilege: SELECT, UPDATE on log_complete
update pgconflict.log_complete
   set since = 'infinity'
 where system_identifier = $1
